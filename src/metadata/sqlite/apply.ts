/** Applies queued transactions to one SQLite connection: grouped into one commit, a savepoint each. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Row, SqlValue, Transaction } from '../database.ts'

export type Applied =
  | { kind: 'done'; rows: Row[][]; changes: number[] }
  | { kind: 'missed'; missed: number; rows: Row[] }
  | { kind: 'full'; message: string }
  | { kind: 'foreign-key'; message: string }
  | { kind: 'failed'; message: string }

export type Applier = {
  /** One commit for all of them; the answers are in order, and durable when this returns. */
  apply(transactions: readonly Transaction[]): Applied[]
}

const SQLITE_FULL = 13
const SQLITE_IOERR = 10
const SQLITE_CONSTRAINT_FOREIGNKEY = 787
const SQLITE_CONSTRAINT_TRIGGER = 1811 // what RESTRICT answers

type SqliteError = Error & { errcode?: number }

export function createApplier(options: {
  db: DatabaseSync
  /** Raised in every commit, so that processes tell their own commits from others'. */
  processId: string
  /** Called when the disk is full and a transaction that frees space is waiting; true: worth another try. */
  makeRoom: (attempt: number) => boolean
}): Applier {
  const { db, makeRoom } = options
  const prepared = new Map<string, StatementSync>()
  const raiseSequence = db.prepare(
    `INSERT INTO processes (id, version, schema, host, seq, started_at, heartbeat) VALUES (?, '', 0, '', 1, ?, ?)
     ON CONFLICT (id) DO UPDATE SET seq = seq + 1`,
  )

  function prepare(sql: string): StatementSync {
    let statement = prepared.get(sql)
    if (statement === undefined) {
      statement = db.prepare(sql)
      statement.setAllowUnknownNamedParameters(true)
      prepared.set(sql, statement)
    }
    return statement
  }

  function runSteps(transaction: Transaction): Applied {
    const rows: Row[][] = []
    const changes: number[] = []
    const params = transaction.params as Record<string, SqlValue>
    for (const [index, step] of transaction.steps.entries()) {
      const statement = prepare(step.statement.sql)
      let found: Row[] = []
      let count: number
      if (step.statement.rows === true) {
        found = statement.all(params) as Row[]
        count = found.length
      } else {
        count = Number(statement.run(params).changes)
      }
      if (step.expect !== undefined && count !== step.expect) return { kind: 'missed', missed: index, rows: found }
      rows.push(found)
      changes.push(count)
    }
    return { kind: 'done', rows, changes }
  }

  function runInSavepoint(transaction: Transaction): Applied {
    db.exec('SAVEPOINT member')
    let applied: Applied
    try {
      applied = runSteps(transaction)
    } catch (error) {
      applied = describe(error)
      // The engine has rolled back everything already: the caller begins again.
      if (!db.isTransaction) return applied
    }
    db.exec(applied.kind === 'done' ? 'RELEASE member' : 'ROLLBACK TO member; RELEASE member')
    return applied
  }

  function commitTogether(transactions: readonly Transaction[]): Applied[] | undefined {
    db.exec('BEGIN IMMEDIATE')
    try {
      const applied: Applied[] = []
      for (const transaction of transactions) {
        const result = runInSavepoint(transaction)
        if (result.kind === 'full' || !db.isTransaction) return undefined
        applied.push(result)
      }
      if (applied.some((result) => result.kind === 'done')) raiseSequence.run(options.processId, Date.now(), Date.now())
      db.exec('COMMIT')
      return applied
    } finally {
      if (db.isTransaction) db.exec('ROLLBACK')
    }
  }

  function commitAlone(transaction: Transaction): Applied {
    for (let attempt = 0; ; attempt++) {
      let result: Applied
      try {
        result = commitTogether([transaction])?.[0] ?? { kind: 'full', message: 'database or disk is full' }
      } catch (error) {
        result = describe(error)
      }
      if (result.kind !== 'full' || transaction.frees !== true || !makeRoom(attempt)) return result
    }
  }

  return {
    apply(transactions) {
      if (transactions.length > 1) {
        try {
          const applied = commitTogether(transactions)
          if (applied !== undefined) return applied
        } catch {
          // One member's failure (a full disk, most of all) must not be every member's: each gets its own try below.
        }
      }
      return transactions.map(commitAlone)
    },
  }
}

function describe(error: unknown): Applied {
  const { errcode, message } = error as SqliteError
  const text = message ?? String(error)
  if (errcode === SQLITE_CONSTRAINT_FOREIGNKEY || errcode === SQLITE_CONSTRAINT_TRIGGER) {
    return { kind: 'foreign-key', message: text }
  }
  // A write that fails for want of room is told as an I/O error by some filesystems.
  if (errcode === SQLITE_FULL || (errcode !== undefined && (errcode & 0xff) === SQLITE_IOERR)) {
    return { kind: 'full', message: text }
  }
  return { kind: 'failed', message: text }
}
