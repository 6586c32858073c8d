/** Variables, files, users, certificates, rights and volumes: `docker run` as people have it in their notes. */
import test, { type TestContext } from 'node:test'
import { ALL_CLIENTS, missingClients, NOT_ALL } from '../clients/workplace.ts'
import type { DockerHostOptions } from './docker-host.ts'
import { cannotTryTheLine, hostWithImage, LARGER } from './docker-line.ts'
import { tryMemory, tryRights, tryTakeover, tryVolumes } from './docker-line-rights.ts'
import { tryInsecureName, tryMountedFiles, tryUsersAndTls, tryVariables } from './docker-line-settings.ts'

const missing = cannotTryTheLine('docker-registry', 'openssl')

async function trySettings(context: TestContext, options: DockerHostOptions): Promise<void> {
  const host = await hostWithImage(context, options)
  await host.type('docker build -q -t hello app')
  await context.test('a folder of CNCF Distribution', () => tryTakeover(host))
  await context.test('variables', (inner) => tryVariables(inner, host))
  await context.test('mounted files', (inner) => tryMountedFiles(inner, host))
  await context.test('users and TLS', (inner) => tryUsersAndTls(inner, host))
  await context.test('rights', (inner) => tryRights(inner, host))
  await context.test('a name without TLS', { skip: LARGER }, () => tryInsecureName(host))
  await context.test('volumes', { skip: LARGER }, (inner) => tryVolumes(inner, host))
  await context.test('little memory', { skip: LARGER }, (inner) => tryMemory(inner, host))
}

test(
  'what registry:2 is told, on the engine of the distribution',
  { skip: missing, timeout: 400_000 },
  (context) => trySettings(context, {}),
)

const skip = !ALL_CLIENTS ? NOT_ALL : missingClients(['dockerd', 'docker'], 'newer') || missing
test('what registry:2 is told, on a newer engine', { skip, timeout: 400_000 }, (context) =>
  trySettings(context, { newer: true, containerdStore: true }),
)
