/**
 * Our own tokens as requests bring them. A signature is checked once; from then on the token is known by its text until
 * it ends, and each request sees whether what it came from still stands: by comparing the object that is another one as
 * soon as anything changed, and by looking at the account again where it is.
 */
import { createBoundedMap } from '../../lib/bounded-map.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Access, AccessNow } from '../access.ts'
import type { Accounts } from '../accounts.ts'
import type { Account } from '../identity.ts'
import { anonymousPrincipal, type Principal } from '../principal.ts'
import { grantOf, stampDigest, type TokenClaims } from './claims.ts'
import { invalidToken, type SignedTokens } from './signed.ts'

export type BearerTokens = {
  /** Who sends this header, if its token is known and nothing has changed: without waiting. */
  recall(header: string): Principal | undefined
  /**
   * @param header what it is kept by
   * @throws RegistryError UNAUTHORIZED: it is no token of ours, or counts no more. UNAVAILABLE: who it is of cannot be asked
   */
  accept(header: string, token: string): Promise<Principal>
}

type Known = {
  readonly claims: TokenClaims
  readonly principal: Principal
  /** Milliseconds since 1970. */
  readonly expiresAt: number
  /** What {@link principal} was made under. */
  readonly now: AccessNow
  /** As it was, where it is kept outside the database: it has to be looked at each time. */
  readonly outside: Account | undefined
}

const MOST_KNOWN = 10_000
const MOST_CHARACTERS = 8 * 1024 * 1024

type Options = {
  signed: SignedTokens
  accounts: Accounts
  access: Access
  clock: Clock
}

export function createBearerTokens({ signed, accounts, access, clock }: Options): BearerTokens {
  const known = createBoundedMap<Known>({ most: MOST_KNOWN, mostCharacters: MOST_CHARACTERS })
  const arriving = new Map<string, Promise<Known>>()

  async function look(claims: TokenClaims): Promise<Known> {
    // First what it is compared with later: a change meanwhile is then seen by the next request.
    const now = await access.current()
    const { principal: whole, account } = await holderOf(claims, accounts)
    const principal = { ...whole, token: grantOf(claims) }
    const expiresAt = Math.min(claims.exp * 1000, account?.expiresAt ?? Number.MAX_SAFE_INTEGER)
    if (expiresAt <= clock.now()) throw invalidToken('it is expired')
    const outside = accounts.isOfDatabase(claims.sub) ? undefined : account
    return { claims, principal, expiresAt, now, outside }
  }

  async function begin(header: string, token: string): Promise<Known> {
    try {
      const before = known.get(header)
      const found = await look(before?.claims ?? (await signed.verify(token)))
      known.set(header, found)
      return found
    } catch (error) {
      known.delete(header)
      throw error
    } finally {
      arriving.delete(header)
    }
  }

  /** Whether an account that is known without waiting is as it was. */
  function isStill({ claims }: Known, was: Account): boolean {
    const account = accounts.find(claims.sub, claims.sid)
    if (account instanceof Promise) {
      account.catch(() => undefined)
      return false
    }
    return account === was || (account !== undefined && isSame(account, was))
  }

  function recall(header: string): Principal | undefined {
    const entry = known.get(header)
    if (entry === undefined || entry.expiresAt <= clock.now()) return undefined
    if (entry.now !== access.current()) return undefined
    return entry.outside === undefined || isStill(entry, entry.outside) ? entry.principal : undefined
  }

  return {
    recall,
    async accept(header, token) {
      // What another request has begun may have looked before a change that this one must see.
      const before = arriving.get(header)
      if (before !== undefined) {
        await before.catch(() => undefined)
        const principal = recall(header)
        if (principal !== undefined) return principal
      }
      let finding = arriving.get(header)
      if (finding === undefined) {
        finding = begin(header, token)
        arriving.set(header, finding)
      }
      return (await finding).principal
    },
  }
}

function isSame(left: Account, right: Account): boolean {
  return (
    left.stamp === right.stamp &&
    left.expiresAt === right.expiresAt &&
    left.principal.isAdmin === right.principal.isAdmin &&
    left.principal.groups.join('\n') === right.principal.groups.join('\n')
  )
}

async function holderOf(
  claims: TokenClaims,
  accounts: Accounts,
): Promise<{ principal: Principal; account?: Account }> {
  const { sub, name, stp, sid, who } = claims
  if (sub === anonymousPrincipal.id) return { principal: anonymousPrincipal }
  if (who !== undefined) {
    const found = await accounts.find(sub, undefined)
    const principal = await accounts.vouched({ id: sub, name, ...who, isAdmin: false, grants: [] })
    // Of a certificate nothing is known here; of an issuer, what it is asked.
    const isOther = found !== undefined && stampDigest(found.stamp) !== stp
    if (principal === undefined || isOther || (who.kind === 'workload' && found === undefined)) {
      throw invalidToken('who vouched for its account does so no more')
    }
    return { principal }
  }
  const account = await accounts.find(sub, sid)
  if (account === undefined || stampDigest(account.stamp) !== stp) {
    throw invalidToken('its account is gone, or was given another password')
  }
  return { principal: account.principal, account }
}
