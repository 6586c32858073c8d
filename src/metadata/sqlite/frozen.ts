/** A database file that nobody changes any more: read without locks, wherever it lies, and nothing is made beside it. */
import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import {
  type Db,
  DatabaseRefusedError,
  type Params,
  type Row,
  type SqlValue,
  type Statement,
} from '../database.ts'
import { MIGRATIONS } from '../migrations/migrations.ts'
import { isBerthDatabase } from './open.ts'

export type Frozen = {
  /** Only reads. */
  db: Db
  connection: DatabaseSync
  /** Its schema: of this version or an older one. */
  schema: number
  close(): void
}

/** @throws DatabaseRefusedError: not a database of Berth, damaged, or of a newer version */
export function openFrozen(path: string): Frozen {
  const connection = open(path)
  const all = (statement: Statement, params: Params): Row[] => {
    const ready = connection.prepare(statement.sql)
    ready.setAllowUnknownNamedParameters(true)
    return ready.all(params as Record<string, SqlValue>) as Row[]
  }
  const db: Db = {
    read: async (statement, params) => all(statement, params),
    cached: async (_scope, _key, statement, params, load) => load(all(statement, params)),
    recall: () => undefined,
    changes: () => NaN,
    write: async () => {
      throw new Error('a frozen database is not written')
    },
    close: async () => connection.close(),
  }
  const { user_version: schema } = connection.prepare('PRAGMA user_version').get() as { user_version: number }
  return { db, connection, schema, close: () => connection.close() }
}

function open(path: string): DatabaseSync {
  let db: DatabaseSync | undefined
  try {
    const url = pathToFileURL(path)
    url.searchParams.set('immutable', '1')
    db = new DatabaseSync(url, { readOnly: true })
    if (!isBerthDatabase(db)) throw new DatabaseRefusedError(`${path} is not a metadata database of Berth`)
    const { user_version: schema } = db.prepare('PRAGMA user_version').get() as { user_version: number }
    if (schema <= MIGRATIONS.length) return db
    throw new DatabaseRefusedError(
      `${path} was written by a newer Berth (schema ${schema}; this one knows ${MIGRATIONS.length}): use that one`,
    )
  } catch (error) {
    db?.close()
    if (error instanceof DatabaseRefusedError) throw error
    throw new DatabaseRefusedError(`${path} cannot be read: ${(error as Error).message}`, { cause: error })
  }
}
