/** A newer engine with both of its image stores, and BuildKit's own ways with a registry. */
import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { tryDocker } from './docker-cases.ts'
import { startEngine } from './docker-engine.ts'
import {
  ALL_CLIENTS,
  clientPath,
  createWorkplace,
  digestsServed,
  missingClients,
  needsRoot,
  NOT_ALL,
} from './workplace.ts'

const skip = !ALL_CLIENTS ? NOT_ALL : missingClients(['dockerd', 'docker'], 'newer') || needsRoot()

for (const containerdStore of [false, true])
  test(
    `a newer Docker, ${containerdStore ? "containerd's store" : 'its own store'}`,
    { skip, timeout: 400_000 },
    (context) => tryDocker(context, { newer: true, containerdStore }),
  )

test('buildx pushes what it builds, and its cache', { skip, timeout: 300_000 }, async (context) => {
  const workplace = await createWorkplace(context, 'buildx')
  const { client, server, place } = workplace
  const engine = await startEngine(context, workplace, { newer: true, containerdStore: true })
  const folder = place('context')
  mkdirSync(join(folder, 'bin'))
  copyFileSync(clientPath('busybox') ?? '', join(folder, 'bin', 'sh'))
  const lines = ['FROM scratch', 'COPY bin/sh /bin/sh', 'RUN echo made by buildx > /made']
  writeFileSync(join(folder, 'Dockerfile'), lines.join('\n'))
  const build = ['buildx', 'build', '--progress=plain', '--network', 'none']
  const output = (more: string): string[] => ['--output', `type=image,push=true,oci-mediatypes=true${more}`]

  await context.test('with provenance: an index with attestations', async () => {
    const image = `${server.host}/team/attested:1`
    await engine.docker([...build, '--provenance=mode=max', ...output(''), '-t', image, folder])
    const served = await digestsServed(client, 'team/attested', '1')
    assert.ok(served.length >= 6, `${served.length} digests`)
  })
  await context.test('compressed by zstd', async () => {
    const image = `${server.host}/team/zstd:1`
    const zstd = ',compression=zstd,force-compression=true'
    await engine.docker([...build, ...output(zstd), '-t', image, folder])
    await digestsServed(client, 'team/zstd', '1')
  })
  await context.test('a cache in the registry, used after all was forgotten', async () => {
    const reference = `${server.host}/team/cache:it`
    const cached = ['--cache-to', `type=registry,ref=${reference},mode=max`]
    await engine.docker([...build, ...cached, folder])
    await digestsServed(client, 'team/cache', 'it')
    await engine.docker(['builder', 'prune', '-af'])
    const again = await engine.docker([...build, '--cache-from', `type=registry,ref=${reference}`, folder])
    assert.match(again.stderr + again.stdout, /CACHED/)
  })
  await context.test('imagetools makes and reads an index', async () => {
    const made = ['buildx', 'imagetools', 'create', '-t', `${server.host}/team/made:1`]
    await engine.docker([...made, `${server.host}/team/attested:1`])
    const first = await digestsServed(client, 'team/attested', '1')
    assert.deepEqual(await digestsServed(client, 'team/made', '1'), first)
  })
})
