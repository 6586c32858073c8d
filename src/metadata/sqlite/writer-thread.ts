/**
 * The writer thread: everything that one process writes goes through its one connection, grouped into as few commits
 * as the queue allows, so that a sync never blocks the event loop. Answers are sent after COMMIT; the journal's lines
 * are written behind them.
 */
import { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import type { Statement, Transaction } from '../database.ts'
import { createJournal } from '../journal.ts'
import { type Applied, createApplier } from './apply.ts'
import { createBallast, withRoom } from './ballast.ts'
import { BUSY_TIMEOUT_MS, CONNECTION_PRAGMAS } from './open.ts'
import { type SentTransaction, unpack } from './sent-statements.ts'

export type WriterOptions = {
  path: string
  processId: string
  /** Absent: no journal. */
  journalFolder?: string
  ballastPath: string
  /** How long another process is waited for. Milliseconds. */
  waitMs?: number
}
type Member = { id: number; transaction: Transaction }
/** What was written in one turn of the event loop comes together. */
export type WriterRequest =
  | { members: readonly { id: number; transaction: SentTransaction }[]; fresh: readonly Statement[] }
  | { close: true }
  | { refill: true }
export type WriterAnswer = { answers: { id: number; applied: Applied }[] } | { closed: true }

/** Transactions in one commit at most: keeps the time a commit takes, and what one failure repeats, small. */
const GROUP = 64
/** Of those that nobody waits for: so many alone, and so many beside requests, which never wait for more of them. */
const BACKGROUND_GROUP = 32
const BACKGROUND_BESIDE = 4
const REFILL_EVERY_MS = 100

if (parentPort !== null) run(parentPort, workerData as WriterOptions)

function run(port: NonNullable<typeof parentPort>, options: WriterOptions): void {
  const { waitMs = BUSY_TIMEOUT_MS } = options
  const ballast = createBallast(options.ballastPath)
  const db = withRoom(ballast, () => {
    const opened = new DatabaseSync(options.path, { timeout: waitMs })
    opened.exec(CONNECTION_PRAGMAS)
    // What a savepoint would restore is kept in memory: beyond 64 KiB each transaction made a file of its own for it.
    opened.exec('PRAGMA temp_store = MEMORY')
    return opened
  })
  const journal =
    options.journalFolder === undefined ? undefined : createJournal(options.journalFolder, options.processId)
  const applier = createApplier({ db, processId: options.processId, makeRoom })
  const statements: Statement[] = []
  let queue: Member[] = []
  let background: Member[] = []
  let scheduled = false
  let refilling: NodeJS.Timeout | undefined

  /** First the log of changes begins again in the room that it has, then the ballast goes, a step at a time. */
  function makeRoom(attempt: number): boolean {
    if (attempt > 0) return ballast.shrink()
    try {
      // A snapshot may hold the log for long: that is not waited for.
      db.exec(`PRAGMA busy_timeout = 500; PRAGMA wal_checkpoint(RESTART)`)
      return true
    } catch {
      return ballast.shrink()
    } finally {
      db.exec(`PRAGMA busy_timeout = ${waitMs}`)
    }
  }

  /** A step at a time, so that no answer waits for all of it. */
  function refill(): void {
    if (!ballast.refill() || refilling !== undefined) return
    refilling = setTimeout(() => {
      refilling = undefined
      refill()
    }, REFILL_EVERY_MS)
  }

  function drain(): void {
    scheduled = false
    const foreground = queue.slice(0, GROUP)
    const behind = background.slice(0, foreground.length > 0 ? BACKGROUND_BESIDE : BACKGROUND_GROUP)
    queue = queue.slice(foreground.length)
    background = background.slice(behind.length)
    const group = [...foreground, ...behind]
    const applied = applier.apply(group.map((member) => member.transaction))
    const answers = group.map((member, index) => ({ id: member.id, applied: applied[index] as Applied }))
    port.postMessage({ answers } satisfies WriterAnswer)
    for (const [index, { transaction }] of group.entries()) {
      const result = applied[index]
      if (result?.kind === 'done') journal?.append(result.seq, transaction.journal ?? [])
    }
    journal?.flush()
    if (queue.length + background.length > 0) schedule()
  }

  function schedule(): void {
    if (scheduled) return
    scheduled = true
    setImmediate(drain)
  }

  function close(): void {
    clearTimeout(refilling)
    while (queue.length + background.length > 0) drain()
    journal?.close()
    db.close()
    port.postMessage({ closed: true } satisfies WriterAnswer)
    port.close()
  }

  port.on('message', (message: WriterRequest) => {
    if ('close' in message) return close()
    if ('refill' in message) return refill()
    statements.push(...message.fresh)
    for (const { id, transaction } of message.members) {
      const member = { id, transaction: unpack(transaction, statements) }
      ;(transaction.background === true ? background : queue).push(member)
    }
    schedule()
  })
}
