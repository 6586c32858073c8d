/**
 * Any two of pushes, mounts, heads, deletes, restores and the registry's own jobs, in every order of their steps, as
 * two processes: nothing acknowledged is lost, nothing collectable stays, nothing is torn. And all killed between any
 * two steps.
 */
import type { ActorName } from './actors.fixture.ts'
import { everyActor, everyBefore, IS_SLOW, MEETING, pairsOf, testOrders, testTotal } from './cases.fixture.ts'
import type { Case } from './try-orders.fixture.ts'

for (const before of everyBefore) {
  const names = IS_SLOW ? everyActor(before) : MEETING[before]
  const groups: Record<string, Case[]> = {}
  for (const [one, other] of pairsOf(names)) {
    const group = (groups[`${one} beside others`] ??= [])
    group.push({ processes: [[one], [other]], kills: true })
  }
  testOrders(before, groups)
}

/** Two requests that one process serves share what it remembers of uploads. */
const IN_ONE: readonly ActorName[] = ['append', 'append blindly', 'finish', 'cancel', 'push']
testOrders('an upload under way', {
  'in one process': pairsOf(IN_ONE).map((both): Case => ({ processes: [both], kills: true })),
  'in one process, beside another one': pairsOf(IN_ONE.slice(0, 4)).map((both): Case => ({
    processes: [both, ['expire uploads']],
  })),
})
testTotal()
