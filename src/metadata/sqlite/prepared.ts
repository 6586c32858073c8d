import type { DatabaseSync, StatementSync } from 'node:sqlite'

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
