/**
 * Hours go by between any two steps, of one operation or of the collector beside it: a process that was stopped, a
 * client that waited. What was promised for a day holds for a day, and what is promised for ever outlasts every lease.
 */
import type { ActorName } from './actors.fixture.ts'
import type { BeforeName } from './befores.fixture.ts'
import { everyBefore, IS_SLOW, MEETING, testOrders, testTotal } from './cases.fixture.ts'
import type { Case } from './try-orders.fixture.ts'

const CHOSEN: Partial<Record<BeforeName, readonly ActorName[]>> = {
  'nothing but a source': ['push', 'mount'],
  'the blob': ['mount', 'put first', 'delete blob'],
  'an image whose leases a HEAD renews': ['head and push', 'head blob'],
  'an image with a tag': ['get first', 'delete tag', 'delete first'],
  'an image deleted by tag': ['restore', 'get first'],
  'an image deleted by digest': ['restore', 'put first'],
}

/** Files that no row knows are left alone for a week: a push in one request has none before its commit. */
testOrders('an upload under way', {
  'beside what removes unknown files': (['push', 'upload', 'append'] as const).flatMap((name) =>
    (['early', 'late'] as const).map((reading): Case => ({
      processes: [[name], ['remove unknown files'], ['200 hours']],
      reading,
      kills: true,
    })),
  ),
})

for (const before of everyBefore) {
  const names = (IS_SLOW ? MEETING[before] : CHOSEN[before])?.filter((name) => name !== 'collect') ?? []
  const groups: Record<string, Case[]> = {}
  for (const name of names) {
    groups[`${name} beside the collector`] = (['early', 'late'] as const).flatMap((reading) =>
      (['23 hours', '37 hours'] as const).map((pause): Case => ({
        processes: [[name], ['collect'], [pause]],
        reading,
        kills: true,
      })),
    )
  }
  if (names.length > 0) testOrders(before, groups)
}
testTotal()
