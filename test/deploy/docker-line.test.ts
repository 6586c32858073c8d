/** `docker run … registry` on the distribution's engine. */
import test from 'node:test'
import { cannotTryTheLine, tryTheLine } from './docker-line.ts'

test(
  'the line, on the engine of the distribution',
  { skip: cannotTryTheLine(), timeout: 300_000 },
  (context) => tryTheLine(context, {}),
)
