/** Any three, in every order of their steps. */
import type { ActorName } from './actors.fixture.ts'
import type { BeforeName } from './befores.fixture.ts'
import { everyBefore, IS_SLOW, MEETING, testOrders, testTotal, triplesOf } from './cases.fixture.ts'
import type { Case } from './try-orders.fixture.ts'

/** Where three meet on one row. */
const CHOSEN: Partial<Record<BeforeName, readonly (readonly [ActorName, ActorName, ActorName])[]>> = {
  'the blob': [
    ['put first', 'delete blob', 'push'],
    ['put first', 'delete tag', 'collect'],
  ],
  'an image with two tags': [
    ['delete tag', 'delete other tag', 'collect'],
    ['delete tag', 'delete other tag', 'put first'],
  ],
  'an upload under way': [
    ['finish', 'cancel', 'append'],
    ['finish', 'finish', 'remove'],
  ],
  'a last lease that is over': [
    ['head and push', 'collect', 'remove'],
    ['mount', 'collect', 'remove'],
    ['push', 'delete blob', 'collect'],
    ['back up', 'collect', 'remove'],
  ],
  'an image past its keep': [
    ['get first', 'put second', 'collect'],
    ['head and push', 'delete tag', 'collect'],
  ],
  'an image deleted by digest': [
    ['restore', 'empty trash', 'collect'],
    ['restore', 'delete first', 'collect'],
    ['restore', 'restore tag', 'put second'],
  ],
  'an index past its keep': [['get first', 'put first untagged', 'collect']],
  'an unlinked blob past its keep': [['push', 'collect', 'remove']],
}

/** Of those that take many steps one is enough: two of them are tried as a pair, and three would take hours. */
const LONG: ReadonlySet<ActorName> = new Set([
  'upload',
  'upload and cancel',
  'head and push',
  'mount and push',
  'head child and push index',
])
const isShort = (triple: readonly ActorName[]): boolean => triple.filter((name) => LONG.has(name)).length < 2

for (const before of everyBefore) {
  const triples = IS_SLOW ? triplesOf(MEETING[before]).filter(isShort) : (CHOSEN[before] ?? [])
  const groups: Record<string, Case[]> = {}
  for (const [one, ...others] of triples) {
    const group = (groups[`${one} beside two others`] ??= [])
    group.push({ processes: [[one], ...others.map((other) => [other])], kills: !IS_SLOW })
  }
  if (triples.length > 0) testOrders(before, groups)
}
testTotal()
