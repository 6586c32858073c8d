/** SQLite behind the two verbs: reads on this thread, writes through the writer, rows kept exactly. */
import type { DatabaseSync } from 'node:sqlite'
import {
  type Db,
  DatabaseBusyError,
  type Params,
  type Row,
  type SqlValue,
  type Statement,
} from '../database.ts'
import { isBusy } from './apply.ts'
import { openCommitWatch } from './commit-watch.ts'
import { createPrepared } from './prepared.ts'
import { createReadCache } from './read-cache.ts'
import type { Writer } from './writer.ts'

export function createSqliteDb(options: {
  /** The reading connection; closed with the Db. */
  connection: DatabaseSync
  writer: Writer
  processId: string
  /** Bytes of rows kept in memory at most. */
  cacheBytes: number
  /** Called when nothing is open any more. */
  closed?: () => void
}): Db {
  const { connection, writer } = options
  const { processId, cacheBytes: maxBytes } = options
  const cache = createReadCache(connection, { processId, maxBytes, watch: openCommitWatch(connection) })
  const prepare = createPrepared(connection)

  function all(statement: Statement, params: Params): Row[] {
    try {
      return prepare(statement.sql).all(params as Record<string, SqlValue>) as Row[]
    } catch (error) {
      if (isBusy(error as Error)) throw new DatabaseBusyError('the database is locked', { cause: error })
      throw error
    }
  }

  return {
    read: async (statement, params) => all(statement, params),
    cached(scope, key, statement, params, load, weigh) {
      cache.sample()
      const kept = cache.get(scope, key)
      if (kept !== undefined) return kept as never
      const value = load(all(statement, params))
      if (value !== undefined) cache.set(scope, key, value, weigh(value))
      return value
    },
    recall(scope, key) {
      cache.sample()
      return cache.get(scope, key)
    },
    changes() {
      cache.sample()
      return cache.changes()
    },
    async write(transaction) {
      const touched = cache.touching(transaction.touches)
      try {
        return await writer.write(transaction)
      } finally {
        // Before the answer is known to anyone: whoever hears of it also sees it.
        touched()
      }
    },
    async close() {
      await writer.close()
      connection.close()
      options.closed?.()
    },
  }
}
