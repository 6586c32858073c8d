/** `docker run … registry` on a newer engine, with both of its image stores. */
import test from 'node:test'
import { ALL_CLIENTS, missingClients, NOT_ALL } from '../clients/workplace.ts'
import { cannotTryTheLine, tryTheLine } from './docker-line.ts'

const skip = !ALL_CLIENTS ? NOT_ALL : missingClients(['dockerd', 'docker'], 'newer') || cannotTryTheLine()

for (const containerdStore of [false, true])
  test(
    `the line, on a newer engine, ${containerdStore ? "containerd's store" : 'its own store'}`,
    { skip, timeout: 300_000 },
    (context) => tryTheLine(context, { newer: true, containerdStore }),
  )
