/**
 * Programs that another issuer vouches for (GitHub, GitLab, Kubernetes, any with OpenID Connect): its JSON Web Token is
 * the password.
 */
import { createHash } from 'node:crypto'
import { createBoundedMap } from '../../lib/bounded-map.ts'
import type { Clock } from '../../lib/clock.ts'
import type { GuardedFetch } from '../../lib/guarded-fetch.ts'
import type { Logger } from '../../lib/logger.ts'
import type { Account, IdentitySource } from '../identity.ts'
import type { Principal } from '../principal.ts'
import { type ClaimRule, rulesMet } from './claim-rules.ts'
import { type IssuerKeys, openIssuerKeys } from './issuer-keys.ts'
import { verifyWorkload, type WorkloadClaims } from './verify-workload.ts'

/** A member of `auth.workloads` of the configuration. */
export type WorkloadIssuer = {
  name: string
  issuer: string
  audience: string
  jwks?: string | undefined
  ca?: string | undefined
  private: boolean
  claims: readonly ClaimRule[]
}

type Dependencies = {
  issuers: readonly WorkloadIssuer[]
  clock: Clock
  log: Logger
  /** For tests. */
  fetch?: GuardedFetch
}

type Known = WorkloadIssuer & { keys: IssuerKeys; stamp: string }

/** Characters. Those of GitHub have 1,500, those of GitLab 3,000. */
const MAX_TOKEN = 8 * 1024
const MAX_NAME = 128

/**
 * Its `verify` knows tokens whose `iss` is one of the issuers, whatever the name beside it, and nothing else. What it
 * says of them (groups, claims) is in the token: its `find` knows that the issuer is still asked, and no claims.
 * @throws Error: a file that is configured cannot be read
 */
export async function openWorkloads({ issuers, clock, log, fetch }: Dependencies): Promise<IdentitySource> {
  const byIssuer = new Map<string, Known>()
  for (const settings of issuers) {
    const keys = await openIssuerKeys({ settings, clock, log, ...(fetch && { fetch }) })
    byIssuer.set(settings.issuer, { ...settings, keys, stamp: stampOf(settings) })
  }
  const byName = new Map([...byIssuer.values()].map((known) => [known.name, known]))
  const verified = createVerified()
  return {
    name: 'workloads',
    async verify({ password }) {
      const issuer = issuerIn(password)
      const known = issuer === undefined ? undefined : byIssuer.get(issuer)
      if (known === undefined) return 'unknown'
      // Looked at before what is kept: keys that were withdrawn end what was verified with them.
      const keys = await known.keys.current()
      const before = verified.get(password, keys, clock.now())
      if (before !== undefined) return before
      const verdict = await verifyWorkload(password, { ...known, now: clock.now() })
      const account = 'claims' in verdict ? accountOf(known, verdict.claims) : verdict
      if ('why' in account) {
        // The one who sent it is told nothing of this; who runs the registry has to find out.
        log.info(`auth.workloads: a token of ${known.name} was refused: ${account.why}`)
        return 'wrong'
      }
      verified.put(password, { account, keys: await known.keys.current() })
      return account
    },
    find(id) {
      const [, name = '', subject = ''] = /^workload:([^:]*):(.*)$/s.exec(id) ?? []
      const known = byName.get(name)
      return known && { principal: principalOf(known, subject, []), stamp: known.stamp }
    },
  }
}

/** `iss` of what looks like a JSON Web Token; nothing of it is believed by that. */
function issuerIn(text: string): string | undefined {
  if (text.length > MAX_TOKEN || !text.startsWith('ey')) return undefined
  const parts = text.split('.')
  if (parts.length !== 3) return undefined
  try {
    const claims: unknown = JSON.parse(Buffer.from(parts[1] ?? '', 'base64url').toString('utf8'))
    const { iss } = (claims ?? {}) as { iss?: unknown }
    return typeof iss === 'string' ? iss : undefined
  } catch {
    return undefined
  }
}

function accountOf(known: Known, claims: WorkloadClaims): Account | { why: string } {
  const met = rulesMet(known.claims, claims)
  if (met.length === 0) {
    return {
      why: `${JSON.stringify(claims.sub)} meets none of ${known.claims.map(({ name }) => name).join(', ')}`,
    }
  }
  return {
    principal: principalOf(known, claims.sub, met),
    stamp: known.stamp,
    expiresAt: claims.exp * 1000,
  }
}

function principalOf({ name }: Known, subject: string, claims: readonly string[]): Principal {
  return {
    id: `workload:${name}:${subject}`,
    name: shortened(`${name}:${subject}`),
    kind: 'workload',
    groups: [],
    claims,
    isAdmin: false,
    grants: [],
  }
}

/** Where it begins and where it ends tells most: repository, and branch. */
function shortened(name: string): string {
  if (name.length <= MAX_NAME) return name
  const end = Math.floor(MAX_NAME / 3)
  return `${name.slice(0, MAX_NAME - end - 1)}…${name.slice(-end)}`
}

/** Tokens that were given for one of these end when it is asked otherwise. */
function stampOf({ issuer, audience, claims }: WorkloadIssuer): string {
  return createHash('sha256')
    .update(JSON.stringify([issuer, audience, claims]))
    .digest('base64url')
    .slice(0, 22)
}

const MOST_VERIFIED = 2_000

type Verified = { account: Account; keys: unknown }

/** By its text: Kubernetes sends the same one with each request of a pull. */
function createVerified() {
  const entries = createBoundedMap<Verified>({ most: MOST_VERIFIED })
  return {
    get(token: string, keys: unknown, now: number): Account | undefined {
      const found = entries.get(token)
      if (found === undefined) return undefined
      if (found.keys === keys && now < (found.account.expiresAt ?? 0)) return found.account
      entries.delete(token)
      return undefined
    },
    put: (token: string, verified: Verified): void => entries.set(token, verified),
  }
}
