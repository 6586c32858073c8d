/** What every Docker engine is tried with, of whatever age. */
import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { randomBytesOf } from '../lib/content.ts'
import { startEngine, type Engine, type EngineOptions } from './docker-engine.ts'
import { busyboxLayer, createLayout, fileLayer, hostArchitecture } from './layout.ts'
import {
  ALL_CLIENTS,
  assertGone,
  clientPath,
  createWorkplace,
  digestsServed,
  pushLayout,
  type Workplace,
} from './workplace.ts'

/** MiB. The engine compresses it, which takes most of the time. */
const LARGE = ALL_CLIENTS ? 256 : 64

type Bench = { workplace: Workplace; engine: Engine }

export async function tryDocker(context: TestContext, options: EngineOptions): Promise<void> {
  const workplace = await createWorkplace(context, 'docker')
  const engine = await startEngine(context, workplace, options)
  context.diagnostic(`Docker engine ${engine.version}`)
  const bench = { workplace, engine }
  await context.test('builds, pushes, pulls and runs', () => buildAndRun(bench))
  await context.test('pushes a tag to another repository', () => pushElsewhere(bench))
  await context.test('pulls its platform and others of an index', () => pullPlatforms(bench))
  await context.test('pulls all tags', () => pullAllTags(bench))
  await context.test('builds from a cache in the registry', () => buildFromCache(bench))
  await context.test(`pushes and pulls a layer of ${LARGE} MiB`, () => largeLayer(bench))
  await context.test('is told of what was deleted', () => deleted(bench))
}

function writeContext({ workplace }: Bench, name: string, lines: string[]): string {
  const folder = workplace.place(name)
  mkdirSync(join(folder, 'bin'), { recursive: true })
  copyFileSync(clientPath('busybox') ?? '', join(folder, 'bin', 'sh'))
  writeFileSync(join(folder, 'Dockerfile'), `${lines.join('\n')}\n`)
  return folder
}

/** Nothing that was built or pulled is left, so that what is pulled next comes from the registry. */
async function forgetAll({ engine }: Bench): Promise<void> {
  await engine.docker(['image', 'prune', '-af'])
  await engine.docker(['builder', 'prune', '-af'], { mayFail: true })
}

const RUNS = [
  'FROM scratch',
  'COPY bin/sh /bin/sh',
  'RUN echo made by docker > /made',
  'CMD ["/bin/sh", "-c", "read line < /made; echo $line"]',
]

async function buildAndRun(bench: Bench): Promise<void> {
  const { docker } = bench.engine
  const { client, server } = bench.workplace
  const image = `${server.host}/team/docker:1`
  await docker(['build', '-q', '--network', 'none', '-t', image, writeContext(bench, 'context', RUNS)])
  await docker(['push', '-q', image])
  const [digest] = await digestsServed(client, 'team/docker', '1')
  for (const reference of [image, `${server.host}/team/docker@${digest}`]) {
    await forgetAll(bench)
    await docker(['pull', '-q', reference])
    const ran = await docker(['run', '--rm', '--network', 'none', reference])
    assert.equal(ran.stdout, 'made by docker\n')
  }
}

async function pushElsewhere(bench: Bench): Promise<void> {
  const { docker } = bench.engine
  const { client, server } = bench.workplace
  await docker(['pull', '-q', `${server.host}/team/docker:1`])
  await docker(['tag', `${server.host}/team/docker:1`, `${server.host}/other/docker:2`])
  const { stdout } = await docker(['push', `${server.host}/other/docker:2`])
  assert.doesNotMatch(stdout, /: Pushed/, 'the layers were sent again instead of mounted')
  await digestsServed(client, 'other/docker', '2')
}

async function pullPlatforms(bench: Bench): Promise<void> {
  const { docker } = bench.engine
  const { client, server, place } = bench.workplace
  const layout = createLayout(place('layout'))
  const busybox = busyboxLayer(clientPath('busybox') ?? '')
  const images = ['amd64', 'arm64', 's390x'].map((architecture) =>
    layout.addImage({
      architecture,
      layers: [busybox, fileLayer('arch', architecture)],
      command: ['/bin/cat', '/arch'],
    }),
  )
  await pushLayout(client, 'team/multi', '1', layout.folder, layout.addIndex(images).digest)
  const image = `${server.host}/team/multi:1`
  await docker(['pull', '-q', '--platform', 'linux/s390x', image])
  const asked = ['image', 'inspect', '--format', '{{.Architecture}}']
  assert.match((await docker([...asked, image], { mayFail: true })).stdout, /s390x|^$/)
  await forgetAll(bench)
  await docker(['pull', '-q', image])
  const ran = await docker(['run', '--rm', '--network', 'none', image])
  assert.equal(ran.stdout, hostArchitecture())
}

async function pullAllTags(bench: Bench): Promise<void> {
  const { docker } = bench.engine
  const { client, server, place } = bench.workplace
  const layout = createLayout(place('tags'))
  for (const tag of ['one', 'two', 'three']) {
    const image = layout.addImage({ layers: [fileLayer('tag', tag)] })
    await pushLayout(client, 'team/tags', tag, layout.folder, image.digest)
  }
  await docker(['pull', '-q', '-a', `${server.host}/team/tags`])
  const { stdout } = await docker(['images', '--format', '{{.Tag}}', `${server.host}/team/tags`])
  assert.deepEqual(stdout.trim().split('\n').sort(), ['one', 'three', 'two'])
}

async function buildFromCache(bench: Bench): Promise<void> {
  const { docker } = bench.engine
  const { client, server } = bench.workplace
  const image = `${server.host}/team/cached:1`
  const folder = writeContext(bench, 'cached', [...RUNS, 'RUN echo a step worth keeping > /kept'])
  const build = ['build', '--progress=plain', '--network', 'none']
  const args = [...build, '--build-arg', 'BUILDKIT_INLINE_CACHE=1', '-t', image, folder]
  await docker(args)
  await docker(['push', '-q', image])
  await digestsServed(client, 'team/cached', '1')
  await forgetAll(bench)
  const again = await docker([...build, '--cache-from', image, '-t', 'again', folder])
  assert.match(again.stderr + again.stdout, /CACHED/)
}

async function largeLayer(bench: Bench): Promise<void> {
  const { docker } = bench.engine
  const { client, server } = bench.workplace
  const image = `${server.host}/team/large:1`
  const folder = writeContext(bench, 'large', ['FROM scratch', 'COPY bin/sh /bin/sh', 'COPY large /large'])
  writeFileSync(join(folder, 'large'), randomBytesOf('docker large', LARGE * 1024 * 1024))
  await docker(['build', '-q', '--network', 'none', '-t', image, folder], { timeout: 180_000 })
  await docker(['push', '-q', image], { timeout: 180_000 })
  const before = await digestsServed(client, 'team/large', '1')
  await forgetAll(bench)
  await docker(['pull', '-q', image], { timeout: 180_000 })
  const [digest] = before
  const { stdout } = await docker(['image', 'inspect', '--format', '{{index .RepoDigests 0}}', image])
  assert.equal(stdout.trim(), `${server.host}/team/large@${digest}`)
}

async function deleted(bench: Bench): Promise<void> {
  const { docker } = bench.engine
  const { client, server } = bench.workplace
  assert.equal((await client.deleteManifest('team/docker', '1')).status, 202)
  await assertGone(client, 'team/docker', '1')
  const pulled = await docker(['pull', `${server.host}/team/docker:1`], { mayFail: true })
  assert.notEqual(pulled.code, 0)
  assert.match(pulled.stderr, /not found|manifest unknown/)
}
