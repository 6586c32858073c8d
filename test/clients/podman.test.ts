import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { containersEnvironment } from './containers.ts'
import { busyboxLayer, createLayout, fileLayer } from './layout.ts'
import {
  assertGone,
  clientPath,
  createWorkplace,
  digestsServed,
  missingClients,
  needsRoot,
  pushLayout,
  type Ran,
  type RunOptions,
  type Workplace,
} from './workplace.ts'

const skip = missingClients(['podman', 'buildah', 'runc', 'busybox']) || needsRoot()

async function begin(context: TestContext): Promise<Workplace> {
  const workplace = await createWorkplace(context, 'podman')
  const own = containersEnvironment(workplace)
  const run = (program: string, args: string[], options: RunOptions = {}): Promise<Ran> =>
    workplace.run(program, args, { ...options, env: { ...own, ...options.env } })
  return { ...workplace, run }
}

function writeContext(folder: string, lines: string[]): string {
  mkdirSync(join(folder, 'bin'), { recursive: true })
  copyFileSync(clientPath('busybox') ?? '', join(folder, 'bin', 'sh'))
  writeFileSync(join(folder, 'Containerfile'), `${lines.join('\n')}\n`)
  return folder
}

const RUNS = [
  'FROM scratch',
  'COPY bin/sh /bin/sh',
  'RUN echo made by podman > /made',
  'CMD ["/bin/sh", "-c", "read line < /made; echo $line"]',
]

test('podman builds, pushes, pulls and runs', { skip, timeout: 240_000 }, async (context) => {
  const { client, run, place, server } = await begin(context)
  const image = `${server.host}/team/podman:1`
  await run('podman', ['build', '-q', '-t', image, writeContext(place('context'), RUNS)])
  await run('podman', ['push', '-q', image])
  const [digest] = await digestsServed(client, 'team/podman', '1')
  await run('podman', ['rmi', '-af'])
  await run('podman', ['pull', '-q', image])
  assert.match((await run('podman', ['run', '--rm', image])).stdout, /^made by podman$/m)
  const pinned = `${server.host}/team/podman@${digest}`
  await run('podman', ['rmi', '-af'])
  assert.match((await run('podman', ['run', '--rm', '--pull=always', pinned])).stdout, /^made by podman$/m)
  const listed = await run('podman', ['search', '--list-tags', `${server.host}/team/podman`])
  assert.match(listed.stdout, /team\/podman\s+1\b/)
  await run('podman', ['tag', pinned, `${server.host}/other/podman:2`])
  await run('podman', ['push', '-q', `${server.host}/other/podman:2`])
  await digestsServed(client, 'other/podman', '2')
  assert.equal((await client.deleteManifest('team/podman', '1')).status, 202)
  await assertGone(client, 'team/podman', '1')
  const gone = await run('podman', ['pull', '-q', image], { mayFail: true })
  assert.notEqual(gone.code, 0, 'podman pulled a deleted tag')
})

test('podman pulls its platform of an index', { skip, timeout: 120_000 }, async (context) => {
  const { client, run, place, server } = await begin(context)
  const layout = createLayout(place('layout'))
  const busybox = busyboxLayer(clientPath('busybox') ?? '')
  const images = ['amd64', 'arm64', 's390x'].map((architecture) =>
    layout.addImage({
      architecture,
      layers: [busybox, fileLayer('arch', architecture)],
      command: ['cat', '/arch'],
    }),
  )
  const index = layout.addIndex(images)
  await pushLayout(client, 'team/multi', '1', layout.folder, index.digest)
  const image = `${server.host}/team/multi:1`
  await run('podman', ['pull', '-q', '--arch', 's390x', image])
  const inspected = await run('podman', ['inspect', '--format', '{{.Architecture}}', image])
  assert.equal(inspected.stdout.trim(), 's390x')
  await run('podman', ['rmi', '-af'])
  const host = process.arch === 'x64' ? 'amd64' : process.arch
  assert.equal((await run('podman', ['run', '--rm', image])).stdout.trim(), host)
})

test('buildah pushes an index of five platforms', { skip, timeout: 240_000 }, async (context) => {
  const { client, run, place, server } = await begin(context)
  const folder = writeContext(place('context'), ['FROM scratch', 'COPY bin/sh /bin/sh'])
  const platforms = 'linux/amd64,linux/arm64,linux/arm/v7,linux/ppc64le,linux/s390x'
  await run('buildah', ['manifest', 'create', 'multi'])
  await run('buildah', ['bud', '-q', '--platform', platforms, '--manifest', 'multi', folder])
  for (const format of ['oci', 'v2s2']) {
    const target = `docker://${server.host}/team/buildah:${format}`
    await run('buildah', ['manifest', 'push', '--tls-verify=false', '--all', '-f', format, 'multi', target])
    const served = await digestsServed(client, 'team/buildah', format)
    assert.ok(served.length > 10, `${served.length} digests below the index`)
  }
  const from = ['from', '--tls-verify=false', '--pull-always', `${server.host}/team/buildah:oci`]
  const container = (await run('buildah', from)).stdout.trim()
  const ran = await run('buildah', ['run', container, '/bin/sh', '-c', 'echo pulled by buildah'])
  assert.match(ran.stdout, /pulled by buildah/)
})
