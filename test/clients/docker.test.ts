import test from 'node:test'
import { tryDocker } from './docker-cases.ts'
import { missingClients, needsRoot } from './workplace.ts'

const skip = missingClients(['dockerd', 'runc', 'busybox']) || needsRoot()

test('Docker, of the distribution', { skip, timeout: 400_000 }, (context) => tryDocker(context, {}))
