/** Sessions of browsers: a random cookie, of which the database has the hash. */
import { createHash, randomBytes } from 'node:crypto'
import type { Accounts } from '../auth/accounts.ts'
import type { Account } from '../auth/identity.ts'
import {
  addSecret,
  findSecretByHash,
  isLive,
  listSecretsOf,
  revokeSecret,
  type ListedSecret,
  type SecretKind,
  type SecretRow,
} from '../metadata/access/secrets.ts'
import { extendSession } from '../metadata/access/sessions.ts'
import type { Actor } from '../metadata/actor.ts'
import type { Db } from '../metadata/database.ts'

const MINUTE = 60_000
/** Without a request for as long, it ends. */
export const IDLE_MS = 12 * 60 * MINUTE
/** Then it ends in any case. */
export const ABSOLUTE_MS = 7 * 24 * 60 * MINUTE
/** Its end is moved no oftener: that is a write. */
const EXTEND_EVERY_MS = 15 * MINUTE
/** Of one account; with one more, the oldest ends. */
const MOST = 50
const MAX_CLIENT = 200

export type Session = { readonly row: SecretRow; readonly account: Account }

export type Sessions = {
  /** @returns what goes into the cookie, and the row */
  open(account: Account, actor: Actor): Promise<{ value: string; id: number; expiresAt: number }>
  /** Undefined: it is over, or never was, or its account is gone, disabled, or has another password by now. */
  find(value: string, from: string): Promise<Session | undefined>
}

export function createSessions({
  db,
  accounts,
  now,
}: {
  db: Db
  accounts: Pick<Accounts, 'find'>
  now: () => number
}): Sessions {
  return {
    async open({ principal, stamp }, actor) {
      const value = randomBytes(32).toString('base64url')
      const expiresAt = actor.now + IDLE_MS
      const id = await addSecret(
        db,
        {
          kind: 'session',
          hash: hashOf(value),
          hint: '',
          holder: principal.id,
          holderName: principal.name,
          stamp,
          name: actor.client.slice(0, MAX_CLIENT),
          expiresAt,
        },
        actor,
      )
      await endOldest(db, principal.id, actor)
      return { value, id, expiresAt }
    },
    async find(value, from) {
      const row = await findSecretByHash(db, hashOf(value))
      if (row?.kind !== 'session' || !isLive(row, now())) return undefined
      const account = await accounts.find(row.holder, undefined)
      if (account === undefined || account.stamp !== row.stamp || hasEnded(account, now())) return undefined
      await extend(row, from)
      return { row, account }
    },
  }

  async function extend({ id, createdAt, expiresAt = 0 }: SecretRow, from: string): Promise<void> {
    const at = now()
    const until = Math.min(at + IDLE_MS, createdAt + ABSOLUTE_MS)
    if (until - expiresAt < EXTEND_EVERY_MS) return
    // A disk that is full ends no session.
    await extendSession(db, { id, until, at, from }).catch(() => undefined)
  }
}

const hashOf = (value: string): Uint8Array => createHash('sha256').update(value).digest()

function hasEnded({ expiresAt }: Account, now: number): boolean {
  return expiresAt !== undefined && expiresAt <= now
}

async function endOldest(db: Db, holder: string, actor: Actor): Promise<void> {
  const live = await liveSecretsOf(db, holder, 'session', actor.now)
  for (const row of live.slice(0, Math.max(0, live.length - MOST))) await revokeSecret(db, row, actor)
}

const PAGE = 200

/** Those that are good, oldest first. Old ones are removed in time, so that there are never many. */
export async function liveSecretsOf(
  db: Db,
  holder: string,
  kind: SecretKind,
  now: number,
): Promise<ListedSecret[]> {
  const live: ListedSecret[] = []
  for (let after = 0; ;) {
    const page = await listSecretsOf(db, holder, kind, after, PAGE)
    live.push(...page.filter((row) => isLive(row, now)))
    const last = page.at(-1)
    if (page.length < PAGE || last === undefined) return live
    after = last.id
  }
}
