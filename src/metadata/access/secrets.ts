/**
 * Secrets that Berth gave out: of robots, personal tokens, refresh tokens, and sessions of browsers. Rows hold their
 * SHA-256. Those of robots and persons are in the journal; the others end with a lost database.
 */
import { type Actor, actorParams } from '../actor.ts'
import type { Db, JournalEntry, Row, Statement, Step } from '../database.ts'
import { journalRow, journalSet } from './journal.ts'
import { IS_NEW_ID, writeNew } from './new-row.ts'
import { readScopes, type StoredScope, writeScopes } from './scopes.ts'
import { ACCESS_SCOPE, RAISE_ACCESS_VERSION } from './version.ts'

export type SecretKind = 'personal' | 'robot' | 'refresh' | 'session'

export type SecretRow = {
  readonly id: number
  readonly kind: SecretKind
  /** How it begins, to tell which one it is. */
  readonly hint: string
  /** A principal's id: `user:7`, `robot:3`, `htpasswd:alice`, `ldap:alice`. */
  readonly holder: string
  readonly holderName: string
  /**
   * The holder's when it was made. Of a personal token: the person's, where a name can be somebody else's one day, so that
   * it outlives a change of the password. Undefined: nothing of the kind is looked at.
   */
  readonly stamp: string | undefined
  /** Of a refresh token: the secret that it was given for, with which it ends. */
  readonly parent: number | undefined
  readonly name: string
  /** At most this; undefined: all that the holder may. */
  readonly scopes: readonly StoredScope[] | undefined
  /** Milliseconds since 1970, as all times here. */
  readonly createdAt: number
  readonly createdBy: string
  readonly expiresAt: number | undefined
  readonly revokedAt: number | undefined
}

export type ListedSecret = SecretRow & {
  /** Written about once a minute. */
  readonly lastUsedAt: number | undefined
  readonly lastUsedFrom: string | undefined
}

export type NewSecret = Pick<SecretRow, 'kind' | 'hint' | 'holder' | 'holderName'> &
  Partial<Pick<SecretRow, 'stamp' | 'parent' | 'name' | 'scopes' | 'expiresAt'>> & {
    /** SHA-256. */
    hash: Uint8Array
  }

const COLUMNS = `id, kind, hint, holder, holder_name, stamp, parent, name, scopes, created_at, created_by, expires_at,
        revoked_at`
const FIND_BY_HASH: Statement = {
  name: 'secret-by-hash',
  sql: `SELECT ${COLUMNS} FROM secrets WHERE hash = :hash`,
  rows: true,
}
const FIND_BY_ID: Statement = {
  name: 'secret-by-id',
  sql: `SELECT ${COLUMNS} FROM secrets WHERE id = :id`,
  rows: true,
}
const LIST_OF_HOLDER: Statement = {
  name: 'list-secrets-of-holder',
  sql: `SELECT ${COLUMNS}, last_used_at, last_used_from FROM secrets
        WHERE holder = :holder AND kind = :kind AND id > :after ORDER BY id LIMIT :limit`,
  rows: true,
}
const ADD: Statement = {
  name: 'add-secret',
  sql: `INSERT INTO secrets (id, kind, hash, hint, holder, holder_name, stamp, parent, name, scopes, created_at,
          created_by, expires_at)
        SELECT :id, :kind, :hash, :hint, :holder, :holderName, :stamp, :parent, :name, :scopes, :now, :principalName,
          :expiresAt WHERE ${IS_NEW_ID}`,
}
const REVOKE: Statement = {
  name: 'revoke-secret',
  sql: 'UPDATE secrets SET revoked_at = :now WHERE id = :id AND revoked_at IS NULL',
}
const REVOKE_CHILDREN: Statement = {
  name: 'revoke-children-of-secret',
  sql: 'UPDATE secrets SET revoked_at = :now WHERE parent = :id AND revoked_at IS NULL',
}
const FORGET_EXPIRED: Statement = {
  name: 'forget-expired-secrets',
  sql: `DELETE FROM secrets WHERE id IN (
          SELECT s.id FROM secrets s WHERE s.expires_at IS NOT NULL AND s.expires_at < :before LIMIT :limit)`,
}
const FORGET_REVOKED: Statement = {
  name: 'forget-revoked-secrets',
  sql: `DELETE FROM secrets WHERE id IN (
          SELECT s.id FROM secrets s WHERE s.revoked_at IS NOT NULL AND s.revoked_at < :before LIMIT :limit)`,
}

export async function findSecretByHash(
  db: Pick<Db, 'cached'>,
  hash: Uint8Array,
): Promise<SecretRow | undefined> {
  const key = `secret ${Buffer.from(hash).toString('base64')}`
  return db.cached(ACCESS_SCOPE, key, FIND_BY_HASH, { hash }, ([row]) => row && secretOf(row), weightOf)
}

const byId = (id: number): string => `secret #${id}`

export async function findSecretById(db: Pick<Db, 'cached'>, id: number): Promise<SecretRow | undefined> {
  return db.cached(ACCESS_SCOPE, byId(id), FIND_BY_ID, { id }, ([row]) => row && secretOf(row), weightOf)
}

/** Of {@link findSecretById}, if it is in memory and exactly fresh. */
export function recallSecretById(db: Pick<Db, 'recall'>, id: number): SecretRow | undefined {
  return db.recall(ACCESS_SCOPE, byId(id)) as SecretRow | undefined
}

/** Whether it is still good for itself; its holder is asked for elsewhere. */
export function isLive({ revokedAt, expiresAt }: SecretRow, now: number): boolean {
  return revokedAt === undefined && (expiresAt === undefined || now < expiresAt)
}

/** Also revoked and expired ones that were not removed yet, oldest first. @param after an id; 0 begins */
export async function listSecretsOf(
  db: Db,
  holder: string,
  kind: SecretKind,
  after: number,
  limit: number,
): Promise<ListedSecret[]> {
  const rows = await db.read(LIST_OF_HOLDER, { holder, kind, after, limit })
  return rows.map((row) => ({
    ...secretOf(row),
    lastUsedAt: (row['last_used_at'] as number | null) ?? undefined,
    lastUsedFrom: (row['last_used_from'] as string | null) ?? undefined,
  }))
}

const isJournaled = (kind: SecretKind): boolean => kind === 'personal' || kind === 'robot'

/** Nothing that is kept in memory says otherwise, so the version stays: each sign-in adds one. @returns its id */
export async function addSecret(db: Db, secret: NewSecret, actor: Actor): Promise<number> {
  const { kind, hash, hint, holder, holderName } = secret
  const { stamp = null, parent = null, name = '', expiresAt = null } = secret
  const scopes = secret.scopes === undefined ? null : writeScopes(secret.scopes)
  const journal = (id: number): JournalEntry =>
    journalRow(
      'secrets',
      {
        ...{ id, kind, hash, hint, holder, holder_name: holderName, stamp, parent, name, scopes },
        created_at: actor.now,
        created_by: actor.principalName,
        expires_at: expiresAt,
      },
      actor,
    )
  const made = await writeNew<never>(
    db,
    'secrets',
    (id) => ({
      steps: [{ statement: ADD, expect: 1 }],
      params: {
        ...actorParams(actor),
        ...{ kind, hash, hint, holder, holderName, stamp, parent, name, scopes, expiresAt },
      },
      touches: [],
      journal: isJournaled(kind) ? [journal(id)] : [],
    }),
    async () => undefined,
  )
  if (!('id' in made)) throw new Error('unreachable: a secret is always written')
  return made.id
}

/** With the refresh tokens that were given for it. @returns false: it is not there, or was revoked before */
export async function revokeSecret(
  db: Db,
  { id, kind }: Pick<SecretRow, 'id' | 'kind'>,
  actor: Actor,
): Promise<boolean> {
  const outcome = await db.write({
    steps: [{ statement: REVOKE, expect: 1 }, { statement: REVOKE_CHILDREN }, RAISE_ACCESS_VERSION],
    params: { id, now: actor.now },
    touches: [ACCESS_SCOPE],
    journal: isJournaled(kind) ? [journalSet('secrets', { id }, { revoked_at: actor.now }, actor)] : [],
    frees: true,
  })
  return outcome.done
}

/**
 * Removes what has been of no use since `before`; without a line in the journal, since it would be removed again.
 * @returns how many, at most twice `limit`
 */
export async function forgetOldSecrets(db: Db, before: number, limit: number): Promise<number> {
  const steps: Step[] = [{ statement: FORGET_EXPIRED }, { statement: FORGET_REVOKED }]
  const outcome = await db.write({
    steps,
    params: { before, limit },
    touches: [],
    frees: true,
    background: true,
  })
  return outcome.done ? outcome.changes.reduce((sum, count) => sum + count, 0) : 0
}

function secretOf(row: Row): SecretRow {
  const scopes = row['scopes'] as string | null
  return {
    id: row['id'] as number,
    kind: row['kind'] as SecretKind,
    hint: row['hint'] as string,
    holder: row['holder'] as string,
    holderName: row['holder_name'] as string,
    stamp: (row['stamp'] as string | null) ?? undefined,
    parent: (row['parent'] as number | null) ?? undefined,
    name: row['name'] as string,
    scopes: scopes === null ? undefined : readScopes(scopes),
    createdAt: row['created_at'] as number,
    createdBy: row['created_by'] as string,
    expiresAt: (row['expires_at'] as number | null) ?? undefined,
    revokedAt: (row['revoked_at'] as number | null) ?? undefined,
  }
}

const weightOf = ({ name, holder, scopes = [] }: SecretRow): number =>
  512 +
  2 * (name.length + 2 * holder.length) +
  scopes.reduce((sum, { repositories }) => sum + 128 + 2 * repositories.length, 0)
