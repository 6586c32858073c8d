/** Where transactions are handed to be written: a thread of its own, or the reading connection itself. */
import type { DatabaseSync } from 'node:sqlite'
import type { Worker } from 'node:worker_threads'
import { startThread } from '../../lib/start-thread.ts'
import {
  DatabaseBusyError,
  DatabaseFullError,
  DatabaseLostError,
  ForeignKeyError,
  type Outcome,
  type Statement,
  type Transaction,
} from '../database.ts'
import { type Applied, createApplier } from './apply.ts'
import { createStatementNumbers } from './sent-statements.ts'
import type { WriterAnswer, WriterOptions, WriterRequest } from './writer-thread.ts'

export type Writer = {
  write(transaction: Transaction): Promise<Outcome>
  /** Fills the reserve for a full disk again, if there is room. */
  refill(): void
  close(): Promise<void>
}

/** @throws DatabaseFullError, DatabaseBusyError, ForeignKeyError, Error */
export function outcomeOf(applied: Applied): Outcome {
  switch (applied.kind) {
    case 'done':
      return { done: true, rows: applied.rows, changes: applied.changes }
    case 'missed':
      return { done: false, missed: applied.missed, rows: applied.rows }
    case 'full':
      throw new DatabaseFullError(applied.message)
    case 'busy':
      throw new DatabaseBusyError(applied.message)
    case 'foreign-key':
      throw new ForeignKeyError(applied.message)
    case 'failed':
      throw new Error(`database: ${applied.message}`)
  }
}

/** For a database in memory, which only one connection can see. */
export function createInlineWriter(db: DatabaseSync, processId: string): Writer {
  const applier = createApplier({ db, processId, isInMemory: true, makeRoom: () => false })
  return {
    write: async (transaction) => outcomeOf(applier.apply([transaction])[0] as Applied),
    refill: () => undefined,
    close: async () => undefined,
  }
}

type Waiting = { resolve: (outcome: Outcome) => void; reject: (error: unknown) => void }

export function createThreadWriter(options: WriterOptions): Writer {
  const waiting = new Map<number, Waiting>()
  let unsent: { id: number; transaction: Transaction }[] = []
  let worker: Worker | undefined
  let numbers = createStatementNumbers()
  let nextId = 1
  let closing: Promise<void> | undefined

  function fail(error: Error): void {
    worker = undefined
    for (const { reject } of waiting.values()) reject(error)
    waiting.clear()
  }

  function answer(message: WriterAnswer): void {
    if (!('answers' in message)) return
    for (const { id, applied } of message.answers) {
      const waiter = waiting.get(id)
      waiting.delete(id)
      try {
        waiter?.resolve(outcomeOf(applied))
      } catch (error) {
        waiter?.reject(error)
      }
    }
    if (waiting.size === 0) worker?.unref()
  }

  /** Started at the first write. One that died is replaced: its database connection is gone, what it had not committed too. */
  function running(): Worker {
    if (worker !== undefined) return worker
    const started = startThread(new URL('./writer-thread', import.meta.url), {
      workerData: options,
      name: 'metadata',
    })
    started.on('message', answer)
    started.on('error', (error) =>
      fail(new DatabaseLostError('the database writer failed', { cause: error })),
    )
    started.on('exit', () => {
      if (worker === started) fail(new DatabaseLostError('the database writer ended'))
    })
    worker = started
    numbers = createStatementNumbers()
    return started
  }

  /** What one turn of the event loop has written goes in one message, its statements once, and into one commit. */
  function send(): void {
    // Those that were told meanwhile that the thread had ended must not be written after all.
    const members = unsent.filter(({ id }) => waiting.has(id))
    unsent = []
    if (members.length === 0) return
    const fresh: Statement[] = []
    try {
      const thread = running()
      const sent = members.map(({ id, transaction }) => ({
        id,
        transaction: numbers.pack(transaction, fresh),
      }))
      thread.postMessage({ members: sent, fresh } satisfies WriterRequest)
    } catch (error) {
      numbers.forget(fresh)
      const [first] = members
      if (members.length > 1) {
        // One of them cannot be sent: that must not be the others' failure.
        for (const member of members) {
          unsent = [member]
          send()
        }
      } else if (first !== undefined) {
        waiting.get(first.id)?.reject(error)
        waiting.delete(first.id)
      }
    }
    if (waiting.size === 0) worker?.unref()
    else worker?.ref()
  }

  async function end(): Promise<void> {
    if (unsent.length > 0) send()
    const current = worker
    if (current === undefined) return
    current.ref()
    const ended = new Promise<void>((resolve) => current.once('exit', () => resolve()))
    current.postMessage({ close: true } satisfies WriterRequest)
    await ended
  }

  return {
    write(transaction) {
      return new Promise((resolve, reject) => {
        if (closing !== undefined) return reject(new Error('the database is closed'))
        const id = nextId++
        waiting.set(id, { resolve, reject })
        unsent.push({ id, transaction })
        if (unsent.length === 1) queueMicrotask(send)
      })
    },
    refill() {
      const current = running()
      current.postMessage({ refill: true } satisfies WriterRequest)
      if (waiting.size === 0) current.unref()
    },
    close() {
      closing ??= end()
      return closing
    },
  }
}
