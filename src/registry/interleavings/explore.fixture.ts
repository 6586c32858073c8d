/**
 * Every order of the steps of some processes, from one state of the world. States that nothing can tell apart from
 * now on are gone on with once: the same content, the same time, the same promises, and each process answered the
 * same so far. So all orders are covered, and their number is counted without walking each.
 */
import { hash } from 'node:crypto'
import { serialize } from 'node:v8'
import { type Event, keyOf, learn, type Promises } from './promises.fixture.ts'
import {
  type Answer,
  type Call,
  type ClockReading,
  type History,
  type Script,
  type Standing,
  standingAfter,
} from './process.fixture.ts'
import type { World } from './world.fixture.ts'

export type Explored = { orders: bigint; states: number; ends: number }
type Visitor = {
  /** Each state once, those before the end too. */
  state(promises: Promises): Promise<void> | void
  /** Where all have ended. `errors`: by `process.operation`. */
  end(promises: Promises, errors: ReadonlyMap<string, unknown>): Promise<void>
}
type Told = Standing<Event>['told']
/**
 * `asked`: what was told since the last step of its operation. `isHeard`: what it told since its last step is among it;
 * a process that reads its clock late tells nothing before it goes on.
 */
type Place = { history: History; id: number; asked: Told; standing: Standing<Event>; isHeard: boolean }
type Node = { places: readonly Place[]; promises: Promises; path: readonly string[] }

export async function explore(
  world: World,
  scripts: readonly Script<Event>[],
  promises: Promises,
  reading: ClockReading,
  visitor: Visitor,
): Promise<Explored> {
  const start = world.now()
  const ids = new Map<string, number>()
  const standings = new Map<string, Promise<Standing<Event>>>()
  const counted = new Map<string, bigint>()
  let ends = 0

  function standing(index: number, history: History, id: number): Promise<Standing<Event>> {
    const name = `${index} ${id} ${reading === 'late' ? world.now() : ''}`
    let known = standings.get(name)
    if (known === undefined) {
      known = standingAfter(scripts[index] as Script<Event>, index, history, reading, {
        start,
        now: world.now(),
      })
      standings.set(name, known)
    }
    return known
  }

  function hear(promised: Promises, place: Place): [Promises, Place] {
    if (place.isHeard) return [promised, place]
    let { asked } = place
    let learnt = promised
    for (const told of place.standing.told) {
      const { event } = told
      if (event.kind === 'asked') {
        asked = [...asked, told]
        continue
      }
      // Asked and answered without a step between.
      for (const early of asked)
        if (early.event.id === event.id) learnt = learn(learnt, early.event, early.at)
      asked = asked.filter((other) => other.event.id !== event.id)
      learnt = learn(learnt, event, world.now())
    }
    return [learnt, { ...place, asked, isHeard: true }]
  }

  /** A process that had only to hear its last answer does, where `call` is absent. */
  async function take(node: Node, index: number, call: Call | undefined): Promise<Omit<Node, 'path'>> {
    let [promised, place] = hear(node.promises, await current(node, index))
    if (call === undefined) return { places: node.places.with(index, place), promises: promised }
    // What is asked is asked when its first step is done, not before: nobody else can tell.
    const mine = place.asked.filter(({ operation }) => operation === call.operation)
    for (const { event, at } of mine) promised = learn(promised, event, at)
    const answer = await call.run(world).then(
      (value): Answer => ({ value }),
      (error: unknown): Answer => ({ error }),
    )
    const { operation, what } = call
    const history = { before: place.history, operation, what, answer, time: world.now() }
    const id = idOf(
      `${index} ${place.id} ${operation} ${world.now()} ${hash('md5', serialize(plain(answer)))}`,
    )
    const asked = place.asked.filter((told) => !mine.includes(told))
    place = { history, id, asked, standing: await standing(index, history, id), isHeard: false }
    if (reading === 'early') [promised, place] = hear(promised, place)
    return { places: node.places.with(index, place), promises: promised }
  }

  /** Where it stands if it goes on now. */
  async function current({ places }: Node, index: number): Promise<Place> {
    const place = places[index] as Place
    return place.isHeard ? place : { ...place, standing: await standing(index, place.history, place.id) }
  }

  function idOf(name: string): number {
    const id = ids.get(name) ?? ids.size + 1
    ids.set(name, id)
    return id
  }

  async function visit(node: Node): Promise<bigint> {
    const name = hash('md5', [world.key(), keyOf(node.promises), ...node.places.map(placeKey)].join('\n'))
    const known = counted.get(name)
    if (known !== undefined) return known
    let orders = 0n
    let isEnd = true
    await inOrder(node.path, async () => visitor.state(node.promises))
    for (const index of node.places.keys()) {
      const { isHeard, standing: now } = await current(node, index)
      const calls = now.waiting.length > 0 || isHeard ? now.waiting : [undefined]
      for (const call of calls) {
        isEnd = false
        const path = [...node.path, `${scripts[index]?.name}: ${call?.what ?? 'hears the answer'}`]
        orders += await world.aside(async () => {
          const next = await inOrder(path, () => take(node, index, call))
          return visit({ ...next, path })
        })
      }
    }
    if (isEnd) {
      ends++
      orders = 1n
      await inOrder(node.path, () => visitor.end(node.promises, errorsOf(node.places)))
    }
    counted.set(name, orders)
    return orders
  }

  function errorsOf(places: readonly Place[]): ReadonlyMap<string, unknown> {
    return new Map(
      places.flatMap((place, index) =>
        [...place.standing.ended].map(
          ([operation, error]) => [`${scripts[index]?.name}.${operation}`, error] as const,
        ),
      ),
    )
  }

  const places: Place[] = []
  for (const index of scripts.keys()) {
    const first = {
      history: undefined,
      id: 0,
      asked: [],
      standing: await standing(index, undefined, 0),
      isHeard: false,
    }
    places.push(reading === 'early' ? hear(promises, first)[1] : first)
  }
  const orders = await visit({ places, promises, path: [] })
  return { orders, states: counted.size, ends }
}

/** What went wrong, and in which order. */
async function inOrder<T>(path: readonly string[], work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('in this order')) throw error
    throw new Error(['in this order', ...path].join('\n  '), { cause: error })
  }
}

function placeKey({ id, standing, isHeard }: Place): string {
  if (standing.waiting.length > 0 || !isHeard) return `${id} ${isHeard}`
  return `ended ${[...standing.ended].map(([operation, error]) => `${operation} ${String(error)}`).join()}`
}

/** As values that can be compared. */
function plain({ value, error }: Answer): unknown {
  return error === undefined ? value : [error instanceof Error ? `${error.name} ${error.message}` : error]
}
