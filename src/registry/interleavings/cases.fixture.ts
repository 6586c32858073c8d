/** Which actors meet after what, and how a test of many such cases tells how many orders it covered. */
import { type TestContext, test } from 'node:test'
import { ACTORS, type ActorName } from './actors.fixture.ts'
import { type BeforeName, BEFORES } from './befores.fixture.ts'
import { type Case, type Trials, trialsAfter } from './try-orders.fixture.ts'

export const IS_SLOW = process.env['BERTH_SLOW'] !== undefined

const TRUSTING = ['head and push', 'mount and push', 'head child and push index'] as const
const BLOBS = [
  'push',
  'upload',
  'upload and cancel',
  'mount',
  'head blob',
  'delete blob',
  'delete source',
] as const
const MANIFESTS = [
  'put first',
  'put second',
  'put untagged',
  'get first',
  'delete tag',
  'delete first',
] as const
const UNDO = ['restore', 'restore tag', 'empty trash'] as const

/** Those that meet something there. All of them are tried after everything where there is time. */
export const MEETING: Readonly<Record<BeforeName, readonly ActorName[]>> = {
  'nothing but a source': [...BLOBS, ...TRUSTING, 'mount from anywhere', 'collect'],
  'the blob': [...BLOBS, ...MANIFESTS, 'head and push', 'collect'],
  'an image whose leases a HEAD renews': [...TRUSTING, 'head blob', 'put first', 'delete blob', 'collect'],
  'an image with a tag': [...MANIFESTS, 'delete blob', 'restore tag', 'empty trash', 'collect'],
  'an image with two tags': [
    'delete tag',
    'delete other tag',
    'delete first',
    'put second',
    'restore tag',
    'collect',
  ],
  'an index with a child and a signature': [
    'delete index',
    'delete first',
    'get first',
    'head child and push index',
    'put first untagged',
    'empty trash',
    'collect',
  ],
  'an upload under way': ['append', 'append blindly', 'finish', 'cancel', 'push', 'collect', 'remove'],
  'an upload that nobody went on with': ['append', 'finish', 'cancel', 'expire uploads', 'push', 'remove'],
  'a lease that is over': [...BLOBS, ...TRUSTING, 'put first', 'collect', 'remove'],
  'a last lease that is over': [...BLOBS, ...TRUSTING, 'put first', 'collect', 'remove', 'back up'],
  'an image past its keep': [
    ...MANIFESTS,
    ...TRUSTING,
    'restore tag',
    'empty trash',
    'delete blob',
    'collect',
  ],
  'an image deleted by digest': [...MANIFESTS, ...UNDO, 'head and push', 'delete blob', 'collect'],
  'an image deleted by tag': [
    ...MANIFESTS,
    ...UNDO,
    'head child and push index',
    'delete blob',
    'collect',
    'back up',
  ],
  'an index past its keep': [
    'head child and push index',
    'get first',
    'put untagged',
    'put first untagged',
    'delete first',
    'empty trash',
    'collect',
  ],
  'an unlinked blob past its keep': [...BLOBS, 'head and push', 'mount and push', 'collect', 'remove'],
  'a damaged blob': [
    'push',
    'upload',
    'mount',
    'head blob',
    'delete blob',
    'head and push',
    'collect',
    'remove',
  ],
  'an image that waits for its layer': [
    'push',
    'upload',
    'mount',
    'put second',
    'put untagged',
    'delete blob',
    'delete tag',
    'delete index',
    'collect',
  ],
  'a repository that only an upload made': [
    'push',
    'upload',
    'upload and cancel',
    'mount',
    'put first',
    'expire uploads',
    'collect',
  ],
  'an index that names a blob': [
    'put first untagged',
    'get first',
    'delete index',
    'delete first',
    'head child and push index',
    'empty trash',
    'collect',
  ],
  garbage: ['remove', 'upload and cancel', 'push', 'back up', 'collect'],
}

/** Every actor but time, which goes by in cases of its own, and what needs an upload of two clients. */
export function everyActor(before: BeforeName): readonly ActorName[] {
  const ofUploads = new Set<string>(['append', 'append blindly', 'finish', 'cancel'])
  const names = (Object.keys(ACTORS) as ActorName[]).filter((name) => !name.endsWith('hours'))
  return before.includes('upload') ? names : names.filter((name) => !ofUploads.has(name))
}

export const everyBefore = Object.keys(BEFORES) as BeforeName[]

export function pairsOf<T>(names: readonly T[]): [T, T][] {
  return names.flatMap((one, index) => names.slice(index).map((other): [T, T] => [one, other]))
}

export function triplesOf<T>(names: readonly T[]): [T, T, T][] {
  return names.flatMap((one, index) => pairsOf(names.slice(index)).map((pair): [T, T, T] => [one, ...pair]))
}

const total = { cases: 0, states: 0, orders: 0n }

/** A test for each group of cases after what was there before. */
export function testOrders(before: BeforeName, groups: Readonly<Record<string, readonly Case[]>>): void {
  test(`after ${before}`, async (t) => {
    const trials = await trialsAfter(before)
    try {
      for (const [name, cases] of Object.entries(groups))
        await t.test(name, (child) => runAll(child, trials, cases))
    } finally {
      await trials.close()
    }
  })
}

async function runAll(t: TestContext, trials: Trials, cases: readonly Case[]): Promise<void> {
  let count = 0n
  for (const one of cases) {
    const { orders, states } = await trials.run(one)
    count += orders
    total.cases++
    total.states += states
    total.orders += orders
  }
  t.diagnostic(`${count} orders`)
}

/** To be called behind all others. */
export function testTotal(): void {
  test('all of them', (t) => {
    t.diagnostic(`${total.orders} orders of ${total.cases} cases, by ${total.states} different states`)
  })
}
