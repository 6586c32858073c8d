/**
 * Runs operations side by side in every order of their steps that has at most so many preemptions. A step is one call
 * of the database or the blob store, as the code makes them; which operation goes next is decided here, and every
 * decision is tried. Bounding the preemptions (places where one is stopped although it could go on) keeps the number
 * of orders small and still finds nearly all races: Musuvathi and Qadeer, PLDI 2007.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { BlobStore } from '../blobs/blob-store.ts'
import type { Db } from '../metadata/database.ts'

export type Turnstile = {
  /** A step of the operation that is called so: waits until it is let through. */
  pass(actor: string): Promise<void>
}

type Parked = { actor: string; go: () => void }

type Decision = { choice: string; others: string[]; preemptions: number }
type Run = (
  turnstile: Turnstile,
) => Promise<{ actors: Readonly<Record<string, Promise<unknown>>>; check: () => Promise<void> }>

/** @returns how many orders were run */
export async function everyInterleaving(run: Run, { preemptions }: { preemptions: number }): Promise<number> {
  let runs = 0
  let prefix: string[] | undefined = []
  while (prefix !== undefined) {
    const taken: Decision[] = []
    await runOnce(run, prefix, preemptions, taken)
    runs++
    prefix = nextPrefix(taken)
  }
  return runs
}

/** Depth first: the last decision that has an untried alternative takes it. */
function nextPrefix(taken: readonly Decision[]): string[] | undefined {
  for (let index = taken.length - 1; index >= 0; index--) {
    const [other] = taken[index]?.others ?? []
    if (other !== undefined) return [...taken.slice(0, index).map(({ choice }) => choice), other]
  }
  return undefined
}

async function runOnce(run: Run, prefix: readonly string[], bound: number, taken: Decision[]): Promise<void> {
  const parked: Parked[] = []
  const turnstile: Turnstile = {
    pass: (actor) => new Promise((resolve) => parked.push({ actor, go: () => resolve() })),
  }
  const { actors, check } = await run(turnstile)
  const live = new Set(Object.keys(actors))
  const settled = Object.entries(actors).map(([name, done]) => done.finally(() => live.delete(name)))
  for (;;) {
    // Until everyone stands at a step, waits for another one, or has ended.
    for (let quiet = 0; quiet < 3; quiet++) await nextTurn()
    if (live.size === 0) break
    const names = [...new Set(parked.map(({ actor }) => actor))].sort()
    if (names.length === 0)
      throw new Error(`nobody can go on after ${taken.map(({ choice }) => choice).join(' ')}`)
    const { choice } = decide(names, prefix, bound, taken)
    const index = parked.findIndex(({ actor }) => actor === choice)
    parked.splice(index, 1)[0]?.go()
  }
  await Promise.allSettled(settled)
  try {
    await check()
  } catch (error) {
    throw new Error(`order: ${taken.map(({ choice }) => choice).join(' ')}`, { cause: error })
  }
}

/** Who goes on: as the prefix says, else who went last. The alternatives that were not tried yet are noted. */
function decide(
  names: readonly string[],
  prefix: readonly string[],
  bound: number,
  taken: Decision[],
): Decision {
  const last = taken.at(-1)
  const going = last !== undefined && names.includes(last.choice) ? last.choice : undefined
  const spent = last?.preemptions ?? 0
  const order = going === undefined ? [...names] : [going, ...names.filter((name) => name !== going)]
  const affordable = going !== undefined && spent >= bound ? [going] : order
  const planned = prefix[taken.length]
  const at = planned === undefined ? 0 : Math.max(0, affordable.indexOf(planned))
  const choice = affordable[at] as string
  const decision = {
    choice,
    others: affordable.slice(at + 1),
    preemptions: spent + (going !== undefined && choice !== going ? 1 : 0),
  }
  taken.push(decision)
  return decision
}

export function steppedDb(db: Db, actor: string, { pass }: Turnstile): Db {
  return {
    read: async (...args) => {
      await pass(actor)
      return db.read(...args)
    },
    // What is in memory is as fresh as the row: the same step.
    cached: async (...args) => {
      await pass(actor)
      return db.cached(...args)
    },
    write: async (transaction) => {
      await pass(actor)
      return db.write(transaction)
    },
    close: () => db.close(),
  }
}

/** Only what changes or reads objects counts as a step. */
export function steppedStore(store: BlobStore, actor: string, { pass }: Turnstile): BlobStore {
  return {
    ...store,
    append: async (...args) => {
      await pass(actor)
      return store.append(...args)
    },
    finish: async (...args) => {
      await pass(actor)
      return store.finish(...args)
    },
    remove: async (...args) => {
      await pass(actor)
      return store.remove(...args)
    },
  }
}
