/**
 * The keys that this registry's own tokens are signed with: shared by all its processes, made where there is none that
 * still signs. They are in no journal: after a rebuild there are new ones, and clients ask for new tokens.
 */
import type { Db, Row, Statement } from '../database.ts'
import { ACCESS_SCOPE } from './version.ts'

export type SigningKey = {
  /** The `kid` of its tokens. */
  readonly id: string
  /** A private JSON Web Key, as text. */
  readonly privateKey: string
  /** Milliseconds since 1970, as the others. */
  readonly createdAt: number
  readonly signsUntil: number
  /** Later than {@link signsUntil} by the life of the longest token. */
  readonly verifiesUntil: number
}

const LIST: Statement = {
  name: 'list-signing-keys',
  sql: 'SELECT id, private_key, created_at, signs_until, verifies_until FROM signing_keys',
  rows: true,
}
/** Several processes find out at the same time that one is needed: the first one's is everybody's. */
const INSERT: Statement = {
  name: 'insert-signing-key',
  sql: `INSERT INTO signing_keys (id, private_key, created_at, signs_until, verifies_until)
        SELECT :id, :privateKey, :createdAt, :signsUntil, :verifiesUntil
        WHERE NOT EXISTS (SELECT 1 FROM signing_keys WHERE signs_until > :createdAt)`,
}
const FORGET: Statement = {
  name: 'forget-signing-keys',
  sql: 'DELETE FROM signing_keys WHERE verifies_until <= :createdAt',
}

/** All of them, the newest first; exactly as fresh as the database, also after another process made one. */
export async function listSigningKeys(db: Pick<Db, 'cached'>): Promise<readonly SigningKey[]> {
  const found = await db.cached(
    ACCESS_SCOPE,
    'signing-keys',
    LIST,
    {},
    (rows) => rows.map(keyOf).sort(byAge),
    weigh,
  )
  return found ?? []
}

/** Adds one, unless there is one by now that still signs; forgets those that nothing is verified with any more. */
export async function addSigningKey(db: Pick<Db, 'write'>, key: SigningKey): Promise<void> {
  await db.write({
    steps: [{ statement: INSERT }, { statement: FORGET }],
    params: { ...key },
    touches: [ACCESS_SCOPE],
  })
}

function keyOf(row: Row): SigningKey {
  return {
    id: row['id'] as string,
    privateKey: row['private_key'] as string,
    createdAt: row['created_at'] as number,
    signsUntil: row['signs_until'] as number,
    verifiesUntil: row['verifies_until'] as number,
  }
}

/** The same order in every process. */
function byAge(left: SigningKey, right: SigningKey): number {
  return right.createdAt - left.createdAt || (left.id < right.id ? -1 : 1)
}

function weigh(keys: readonly SigningKey[]): number {
  return keys.length * 512
}
