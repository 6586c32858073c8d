/**
 * Refresh tokens: what a client keeps instead of a password, to get tokens with. Each is a row of `secrets`; it ends
 * with the account's password, with the secret that it was given for, and after a time.
 */
import { forgetOldestRefreshTokens } from '../../metadata/access/refresh-tokens.ts'
import {
  addSecret,
  findSecretByHash,
  findSecretById,
  isLive,
  type SecretRow,
} from '../../metadata/access/secrets.ts'
import type { Db } from '../../metadata/database.ts'
import type { Clock } from '../../lib/clock.ts'
import { RegistryError } from '../../oci/error.ts'
import type { Accounts } from '../accounts.ts'
import type { Audit } from '../audit.ts'
import type { Asking } from '../identities.ts'
import type { Account } from '../identity.ts'
import { createSecret, hashSecret, parseSecret } from '../secrets.ts'
import { isVouched } from './claims.ts'

export type RefreshTokens = {
  /** Undefined: this account gets none, since nothing here would know of its end. */
  issue(account: Account, asking: Asking): Promise<string | undefined>
  /** @throws RegistryError UNAUTHORIZED, UNAVAILABLE */
  redeem(text: string, asking: Asking): Promise<Account>
  /**
   * Whose a refresh token is, if it counts still; undefined for other secrets, too.
   * @throws RegistryError UNAVAILABLE
   */
  findById(secretId: number): Promise<Account | undefined>
}

/** Of one account: a robot may be what hundreds of runners sign in as. */
const MOST_OF_ONE = 1000
const LIFETIME_MS = 90 * 24 * 3_600_000

type Options = { db: Db; accounts: Pick<Accounts, 'find'>; audit: Audit; clock: Clock }

export function createRefreshTokens({ db, accounts, audit, clock }: Options): RefreshTokens {
  async function holderOf(row: SecretRow | undefined): Promise<Account | undefined> {
    if (row?.kind !== 'refresh' || !isLive(row, clock.now())) return undefined
    const account = await accounts.find(row.holder, row.parent)
    if (account === undefined || account.stamp !== row.stamp) return undefined
    // What it gets ends with it, too.
    return { ...account, secretId: row.id }
  }

  return {
    async issue(account, { address, client, requestId }) {
      const { principal, stamp, secretId, expiresAt = Infinity } = account
      if (isVouched(principal.id)) return undefined
      const { text, hash, hint } = createSecret('refresh')
      const now = clock.now()
      await addSecret(
        db,
        {
          ...{ kind: 'refresh', hash, hint, holder: principal.id, holderName: principal.name, stamp },
          ...(secretId !== undefined && { parent: secretId }),
          name: `${client} from ${address}`.slice(0, 255),
          expiresAt: Math.min(now + LIFETIME_MS, expiresAt),
        },
        { principalId: principal.id, principalName: principal.name, client, requestId, cause: 'api', now },
      )
      // Behind what others wait for; where it fails, the next one does it.
      void forgetOldestRefreshTokens(db, principal.id, MOST_OF_ONE).catch(() => undefined)
      return text
    },
    async redeem(text, asking) {
      const parsed = parseSecret(text)
      const isWhole = parsed?.kind === 'refresh' && parsed.isWhole
      const row = isWhole ? await findSecretByHash(db, hashSecret(text)) : undefined
      const account = await holderOf(row)
      if (account !== undefined) return account
      const principal = { id: row?.holder ?? 'unknown', name: row?.holderName ?? 'unknown' }
      audit.record({ act: 'token', outcome: 'refused', principal, target: 'refresh token', ...asking })
      throw new RegistryError(
        'UNAUTHORIZED',
        'the refresh token counts no more: sign in again, as with "docker login"',
      )
    },
    findById: async (secretId) => holderOf(await findSecretById(db, secretId)),
  }
}
