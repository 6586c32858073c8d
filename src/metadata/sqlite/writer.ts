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
  type Transaction,
} from '../database.ts'
import { type Applied, createApplier } from './apply.ts'
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
  const applier = createApplier({ db, processId, makeRoom: () => false })
  return {
    write: async (transaction) => outcomeOf(applier.apply([transaction])[0] as Applied),
    refill: () => undefined,
    close: async () => undefined,
  }
}

type Waiting = { resolve: (outcome: Outcome) => void; reject: (error: unknown) => void }

export function createThreadWriter(options: WriterOptions): Writer {
  const waiting = new Map<number, Waiting>()
  let worker: Worker | undefined
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
    return started
  }

  async function end(): Promise<void> {
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
        const current = running()
        // Before anybody waits for it: what cannot be sent throws here.
        current.postMessage({ id, transaction } satisfies WriterRequest)
        waiting.set(id, { resolve, reject })
        current.ref()
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
