/** Applies queued transactions to one SQLite connection: grouped into one commit, a savepoint each. */
import type { DatabaseSync } from 'node:sqlite'
import type { Row, Transaction } from '../database.ts'
import { createParams, createPrepared } from './prepared.ts'

export type Applied =
  /** `seq`: which commit of the database it was in. */
  | { kind: 'done'; rows: Row[][]; changes: number[]; seq: number }
  | { kind: 'missed'; missed: number; rows: Row[] }
  | { kind: 'full'; message: string }
  | { kind: 'busy'; message: string }
  | { kind: 'foreign-key'; message: string }
  | { kind: 'failed'; message: string }

type Applier = {
  /** One commit for all of them; the answers are in order, and durable when this returns, if one of them has to be. */
  apply(transactions: readonly Transaction[]): Applied[]
}

const SQLITE_BUSY = 5
const SQLITE_LOCKED = 6
const SQLITE_FULL = 13
const SQLITE_CONSTRAINT_FOREIGNKEY = 787
const SQLITE_CONSTRAINT_TRIGGER = 1811 // what RESTRICT answers
/**
 * What some filesystems and quotas say instead of SQLITE_FULL: a write, or the room for the shared memory, failed, so
 * that surely nothing was committed. A failed sync is not among them: what it was to make durable may turn up again.
 */
const OUT_OF_ROOM: ReadonlySet<number> = new Set([
  778, // SQLITE_IOERR_WRITE
  4618, // SQLITE_IOERR_SHMOPEN
  4874, // SQLITE_IOERR_SHMSIZE
  5386, // SQLITE_IOERR_SHMMAP
])

type SqliteError = Error & { errcode?: number }

export type Member = (transaction: Transaction, seq: number) => Applied

/**
 * Runs transactions in the one that is open. `together`: in a savepoint, all of its steps or none. `alone`: what it did
 * is for the caller to roll back where it is not done, which spares SQLite a copy of each page before it is changed.
 */
export function createMember(db: DatabaseSync): { together: Member; alone: Member } {
  const prepare = createPrepared(db)
  const paramsOf = createParams()

  function runSteps(transaction: Transaction, seq: number): Applied {
    const rows: Row[][] = []
    const changes: number[] = []
    for (const [index, step] of transaction.steps.entries()) {
      const statement = prepare(step.statement.sql)
      const params = paramsOf(step.statement.sql, transaction.params)
      let found: Row[] = []
      let count: number
      if (step.statement.rows === true) {
        found = statement.all(params) as Row[]
        count = found.length
      } else {
        count = Number(statement.run(params).changes)
      }
      if (step.expect !== undefined && count !== step.expect)
        return { kind: 'missed', missed: index, rows: found }
      rows.push(found)
      changes.push(count)
    }
    return { kind: 'done', rows, changes, seq }
  }

  function alone(transaction: Transaction, seq: number): Applied {
    try {
      return runSteps(transaction, seq)
    } catch (error) {
      return describe(error)
    }
  }

  return {
    alone,
    together(transaction, seq) {
      db.exec('SAVEPOINT member')
      const applied = alone(transaction, seq)
      // Where the engine has rolled back everything already the caller begins again.
      if (db.isTransaction)
        db.exec(applied.kind === 'done' ? 'RELEASE member' : 'ROLLBACK TO member; RELEASE member')
      return applied
    },
  }
}

export function createApplier(options: {
  db: DatabaseSync
  /** Its share of the commits is counted, so that processes tell their own from others'. */
  processId: string
  /** There is no disk to wait for. */
  isInMemory?: boolean
  /** Called when the disk is full and a transaction that frees space is waiting; true: worth another try. */
  makeRoom: (attempt: number) => boolean
}): Applier {
  const { db, makeRoom } = options
  const member = createMember(db)
  const countCommit = db.prepare('UPDATE commits SET seq = seq + 1 RETURNING seq')
  const countShare = db.prepare(
    `INSERT INTO processes (id, version, schema, host, seq, started_at, heartbeat) VALUES (?, '', 0, '', 1, ?, ?)
     ON CONFLICT (id) DO UPDATE SET seq = seq + 1`,
  )

  const setSynced = options.isInMemory === true ? () => {} : createSyncSwitch(db)

  /** @returns the members' answers, or the one that ended the transaction for all of them */
  function commitTogether(transactions: readonly Transaction[]): Applied[] | Applied {
    setSynced(transactions.some(({ synced }) => synced !== false))
    db.exec('BEGIN IMMEDIATE')
    try {
      // Counted first, so that a process which forgets its own row leaves none behind.
      const now = Date.now()
      countShare.run(options.processId, now, now)
      const { seq } = countCommit.get() as { seq: number }
      const applied: Applied[] = []
      const runMember = transactions.length === 1 ? member.alone : member.together
      for (const transaction of transactions) {
        const result = runMember(transaction, seq)
        if (result.kind === 'full' || !db.isTransaction) return result
        applied.push(result)
      }
      db.exec(applied.some((result) => result.kind === 'done') ? 'COMMIT' : 'ROLLBACK')
      return applied
    } finally {
      if (db.isTransaction) db.exec('ROLLBACK')
    }
  }

  function commitAlone(transaction: Transaction): Applied {
    for (let attempt = 0; ; attempt++) {
      let result: Applied
      try {
        const applied = commitTogether([transaction])
        result = Array.isArray(applied) ? (applied[0] as Applied) : applied
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
          if (Array.isArray(applied)) return applied
        } catch (error) {
          // Nobody gets the lock, and each would wait for it anew.
          const result = describe(error)
          if (result.kind === 'busy') return transactions.map(() => result)
        }
        // One member's failure (a full disk, most of all) must not be every member's: each gets its own try.
      }
      return transactions.map(commitAlone)
    },
  }
}

/** Whether commits wait for a sync of the log. Each sync covers all that was committed before. */
function createSyncSwitch(db: DatabaseSync): (isOn: boolean) => void {
  let now: boolean | undefined
  return (isOn) => {
    if (isOn === now) return
    db.exec(`PRAGMA synchronous = ${isOn ? 'FULL' : 'NORMAL'}`)
    now = isOn
  }
}

export function isBusy({ errcode }: SqliteError): boolean {
  return errcode !== undefined && [SQLITE_BUSY, SQLITE_LOCKED].includes(errcode & 0xff)
}

/** The disk or the quota is full, and nothing was changed. */
export function isFull({ errcode }: SqliteError): boolean {
  return errcode === SQLITE_FULL || OUT_OF_ROOM.has(errcode ?? 0)
}

function describe(error: unknown): Applied {
  const { errcode, message } = error as SqliteError
  const text = message ?? String(error)
  if (errcode === SQLITE_CONSTRAINT_FOREIGNKEY || errcode === SQLITE_CONSTRAINT_TRIGGER) {
    return { kind: 'foreign-key', message: text }
  }
  if (isFull(error as SqliteError)) return { kind: 'full', message: text }
  if (isBusy(error as SqliteError)) return { kind: 'busy', message: text }
  return { kind: 'failed', message: text }
}
