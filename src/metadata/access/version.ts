/** The number that every change of who may do what raises: what is kept in memory holds for one of them. */
import type { Db, Statement, Step } from '../database.ts'

/** The scope of cached rows of users, groups, robots, secrets, rules and keys; no repository can have this name. */
export const ACCESS_SCOPE = '#access'

const KEY = 'version'
const FIND: Statement = {
  name: 'access-version',
  sql: 'SELECT version, rules, registry FROM access WHERE id = 1',
  rows: true,
}
const RAISE: Statement = {
  name: 'raise-access-version',
  sql: 'UPDATE access SET version = version + 1 WHERE id = 1',
}

/** A step of each transaction that changes who may do what; such a one touches {@link ACCESS_SCOPE}. */
export const RAISE_ACCESS_VERSION: Step = { statement: RAISE, expect: 1 }

export type AccessVersion = {
  readonly version: number
  /** Raised with each change of rules. */
  readonly rules: number
  /** Names this registry in its tokens. */
  readonly registry: string
}

/** From memory, if it is known to be what the database says now. */
export function recallAccessVersion(db: Pick<Db, 'recall'>): AccessVersion | undefined {
  return db.recall(ACCESS_SCOPE, KEY) as AccessVersion | undefined
}

export async function findAccessVersion(db: Pick<Db, 'cached'>): Promise<AccessVersion> {
  const found = await db.cached(
    ACCESS_SCOPE,
    KEY,
    FIND,
    {},
    ([row]): AccessVersion | undefined =>
      row && {
        version: row['version'] as number,
        rules: row['rules'] as number,
        registry: row['registry'] as string,
      },
    () => 64,
  )
  if (found === undefined) throw new Error('the database has lost the row of its access version')
  return found
}
