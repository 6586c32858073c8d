/**
 * A database that nobody else sees yet, filled in large transactions: for making a lost one again, and for restoring
 * one. Nothing is durable before {@link Bulk.finish}; a kill before leaves a file that is thrown away.
 */
import { dirname } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { syncPath } from '../../lib/sync-file.ts'
import type { Db, Params, Row, SqlValue, Statement } from '../database.ts'
import { createMember } from './apply.ts'
import { openDatabase } from './open.ts'
import { createPrepared } from './prepared.ts'
import { outcomeOf } from './writer.ts'

/** Transactions in one commit: keys are digests, so a page is written again for almost each of them. */
const GROUP = 10_000

export type Bulk = {
  db: Db
  connection: DatabaseSync
  /** Commits what is open. */
  flush(): void
  /** Commits, syncs the file and its folder, and closes: one file, with nothing beside it. */
  finish(): void
  close(): void
}

/**
 * @param path of a file that is made, or of one that is migrated to the present schema
 * @throws DatabaseRefusedError
 */
export function openBulk(path: string): Bulk {
  const connection = openDatabase(path)
  // Nobody reads it meanwhile: no log of its own, and each page goes to the disk once a commit.
  connection.exec(
    'PRAGMA journal_mode = DELETE; PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536',
  )
  const { together: runMember } = createMember(connection)
  const prepare = createPrepared(connection)
  let written = 0

  function all(statement: Statement, params: Params): Row[] {
    return prepare(statement.sql).all(params as Record<string, SqlValue>) as Row[]
  }
  function flush(): void {
    if (connection.isTransaction) connection.exec('COMMIT')
  }
  function close(): void {
    if (connection.isOpen) connection.close()
  }
  const db: Db = {
    read: async (statement, params) => all(statement, params),
    cached: async (_scope, _key, statement, params, load) => load(all(statement, params)),
    recall: () => undefined,
    changes: () => NaN,
    async write(transaction) {
      if (!connection.isTransaction) connection.exec('BEGIN')
      const applied = runMember(transaction, 0)
      if (connection.isTransaction && ++written % GROUP === 0) flush()
      return outcomeOf(applied)
    },
    async close() {
      flush()
      close()
    },
  }
  return {
    db,
    connection,
    flush,
    finish() {
      flush()
      close()
      syncPath(path)
      syncPath(dirname(path))
    },
    close,
  }
}
