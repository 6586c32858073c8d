import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Params, SqlValue } from '../database.ts'

/** Statements of a connection, each prepared once; parameters that one does not name are passed over. */
export function createPrepared(connection: DatabaseSync): (sql: string) => StatementSync {
  const prepared = new Map<string, StatementSync>()
  return (sql) => {
    let statement = prepared.get(sql)
    if (statement === undefined) {
      statement = connection.prepare(sql)
      statement.setAllowUnknownNamedParameters(true)
      prepared.set(sql, statement)
    }
    return statement
  }
}

/**
 * Of the parameters that the statements of a transaction share, those that the text may name: each one that is given
 * costs SQLite a search, found or not.
 */
export function createParams(): (sql: string, params: Params) => Record<string, SqlValue> {
  const named = new Map<string, readonly string[]>()
  return (sql, params) => {
    let names = named.get(sql)
    if (names === undefined) {
      names = [...new Set(Array.from(sql.matchAll(/:([A-Za-z]\w*)/g), ([, name]) => name as string))]
      named.set(sql, names)
    }
    const own: Record<string, SqlValue> = {}
    for (const name of names) {
      const value = params[name]
      if (value !== undefined) own[name] = value
    }
    return own
  }
}
