/**
 * A process of the registry as a function of what it was answered: the same answers bring the same code to the same
 * place, so that it can be taken up at any of its steps, as often as there are ways to go on. A step is one call of
 * the database or the store, as the code makes it. What the code draws at random, or asks of the clock, is the same
 * each time.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { BlobStore } from '../../blobs/blob-store.ts'
import type { Db, Row } from '../../metadata/database.ts'
import { callingStore } from './store-states.fixture.ts'
import type { World } from './world.fixture.ts'

/** One process, with one or more operations in it at once. */
export type Script<Event> = {
  name: string
  begin(parts: ProcessParts<Event>): Readonly<Record<string, () => Promise<unknown>>>
}
export type ProcessParts<Event> = {
  processId: string
  db: Db
  store: BlobStore
  now(): number
  /** A step that lets time go by. */
  pause(ms: number): Promise<void>
  /** Something that the world outside sees: it heard an answer, or asks something. */
  tell(event: Event): void
}

export type Call = { operation: string; what: string; run(world: World): Promise<unknown> }
export type Answer = { value?: unknown; error?: unknown }
/** What a process has been answered, the last first. */
export type History =
  { before: History; operation: string; what: string; answer: Answer; time: number } | undefined
export type Standing<Event> = {
  /** The step that each operation is at. */
  waiting: readonly Call[]
  /** How the operations that ended did: an error, or undefined. */
  ended: ReadonlyMap<string, unknown>
  /** What was told since the last answer. */
  told: readonly { operation: string; event: Event; at: number }[]
}

/**
 * When a process that is not at a step looks at its clock: right after the step before, or, as if it had been paused
 * between, right before the next one.
 */
export type ClockReading = 'early' | 'late'

const running = new AsyncLocalStorage<string>()
let draw: (() => number) | undefined

/** Makes what the code draws at random the same each time, and stills its timers, as long as `work` takes. */
export async function withoutChance<T>(work: () => Promise<T>): Promise<T> {
  const { randomBytes } = crypto
  const { setInterval: realInterval } = globalThis
  let others = 0
  crypto.randomBytes = ((size: number) => {
    const seed = draw === undefined ? `other ${others++}` : `drawn ${draw()}`
    return crypto.hash('sha512', seed, 'buffer').subarray(0, size)
  }) as typeof crypto.randomBytes
  syncBuiltinESMExports()
  globalThis.setInterval = (() => ({ unref: () => undefined })) as unknown as typeof setInterval
  try {
    return await work()
  } finally {
    crypto.randomBytes = randomBytes
    syncBuiltinESMExports()
    globalThis.setInterval = realInterval
  }
}

/** @param now what the clock says where `history` does not */
export async function standingAfter<Event>(
  script: Script<Event>,
  index: number,
  history: History,
  reading: ClockReading,
  times: { start: number; now: number },
): Promise<Standing<Event>> {
  const entries: NonNullable<History>[] = []
  for (let entry = history; entry !== undefined; entry = entry.before) entries.unshift(entry)
  /** Between the steps: after `passed` of them. */
  const timeAfter = (passed: number): number =>
    reading === 'early' ? (entries[passed - 1]?.time ?? times.start) : (entries[passed]?.time ?? times.now)
  let time = timeAfter(0)
  let told: { operation: string; event: Event; at: number }[] = []
  const parked: (Call & { resolve(value: unknown): void; reject(error: unknown): void })[] = []
  const ended = new Map<string, unknown>()
  let drawn = 0
  draw = () => index * 1_000_000 + drawn++

  const step = (what: string, run: Call['run']): Promise<unknown> =>
    new Promise((resolve, reject) => {
      parked.push({ operation: running.getStore() as string, what, run, resolve, reject })
    })
  const operations = script.begin({
    processId: `process-${index}`,
    db: steppedDb(step),
    store: callingStore((call) => step(call.do, (world) => world.atStore(call))),
    now: () => time,
    pause: (ms) => step('pause', async (world) => world.advance(ms)) as Promise<void>,
    tell: (event) => void told.push({ operation: running.getStore() as string, event, at: time }),
  })
  const quiet = async (): Promise<void> => {
    await nextTurn()
    for (let turns = 0; parked.length === 0 && ended.size < Object.keys(operations).length; turns++) {
      if (turns > 100) throw new Error(`${script.name} waits for something that is not a step`)
      await nextTurn()
    }
  }
  for (const [operation, begin] of Object.entries(operations)) {
    void running.run(operation, () =>
      begin().then(
        () => ended.set(operation, undefined),
        (error: unknown) => ended.set(operation, error),
      ),
    )
  }
  await quiet()
  for (const [passed, { operation, what, answer }] of entries.entries()) {
    const at = parked.findIndex((call) => call.operation === operation)
    const call = parked[at]
    if (call?.what !== what) throw new Error(`${script.name} did ${call?.what} and not ${what} as before`)
    parked.splice(at, 1)
    told = []
    time = timeAfter(passed + 1)
    if ('error' in answer) call.reject(answer.error)
    else call.resolve(answer.value)
    await quiet()
  }
  draw = undefined
  const first = new Set<string>()
  const waiting = parked.filter(({ operation }) => !first.has(operation) && first.add(operation))
  return { waiting, ended, told }
}

function steppedDb(step: (what: string, run: Call['run']) => Promise<unknown>): Db {
  return {
    read: (statement, params) =>
      step(statement.name, (world) => world.db.read(statement, params) as Promise<Row[]>) as Promise<Row[]>,
    recall: () => undefined,
    changes: () => NaN,
    // What is in memory is as fresh as the row: the same step.
    async cached(_scope, _key, statement, params, load) {
      return load(
        (await step(statement.name, (world) => world.db.read(statement, params) as Promise<Row[]>)) as Row[],
      )
    },
    write: (transaction) => {
      const what = transaction.steps.map(({ statement }) => statement.name).join('+')
      return step(what, (world) => world.db.write(transaction)) as ReturnType<Db['write']>
    },
    close: async () => undefined,
  }
}
