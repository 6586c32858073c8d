/**
 * Reads that all see the database as it was at one moment, beside whoever writes: a transaction of a connection of its
 * own. Short ones only: the write-ahead log cannot be emptied meanwhile.
 */
import { DatabaseSync } from 'node:sqlite'
import { type Db, DatabaseRefusedError, type Row, type SqlValue } from '../database.ts'
import { BUSY_TIMEOUT_MS } from './open.ts'
import { createPrepared } from './prepared.ts'

export type Moments = {
  /** What `work` reads is of one moment; another call sees a later one. */
  at<T>(work: (reader: Pick<Db, 'read'>) => Promise<T>): Promise<T>
  close(): void
}

/**
 * @param path of a database that exists and has been migrated
 * @throws DatabaseRefusedError
 */
export function openMoments(path: string): Moments {
  const connection = open(path)
  const prepare = createPrepared(connection)
  const reader: Pick<Db, 'read'> = {
    read: async (statement, params) =>
      prepare(statement.sql).all(params as Record<string, SqlValue>) as Row[],
  }
  return {
    async at(work) {
      connection.exec('BEGIN')
      try {
        return await work(reader)
      } finally {
        connection.exec('ROLLBACK')
      }
    },
    close: () => connection.close(),
  }
}

function open(path: string): DatabaseSync {
  try {
    return new DatabaseSync(path, { readOnly: true, timeout: BUSY_TIMEOUT_MS })
  } catch (error) {
    throw new DatabaseRefusedError(
      `the metadata database ${path} cannot be read: ${(error as Error).message}`,
      { cause: error },
    )
  }
}
