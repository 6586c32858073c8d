import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { busyboxLayer, createLayout, digestsBelow, fileLayer, randomLayer, taggedDigest } from './layout.ts'
import {
  assertGone,
  assertServesLayout,
  clientPath,
  createWorkplace,
  digestsServed,
  missingClients,
  needsRoot,
  type Workplace,
} from './workplace.ts'

const skip = missingClients(['skopeo', 'umoci', 'busybox']) || needsRoot()
const PLAIN = { source: '--src-tls-verify=false', target: '--dest-tls-verify=false' }

async function begin(context: TestContext): Promise<Workplace & { at: string }> {
  const workplace = await createWorkplace(context, 'skopeo')
  return { ...workplace, at: `docker://${workplace.server.host}` }
}

test('skopeo pushes and pulls an image, byte for byte', { skip, timeout: 120_000 }, async (context) => {
  const { client, run, place, at } = await begin(context)
  const layout = createLayout(place('layout'))
  const busybox = busyboxLayer(clientPath('busybox') ?? '')
  const image = layout.addImage({ layers: [busybox, fileLayer('etc/hello', 'hello by skopeo\n')] })
  layout.tag(image, '1')
  await run('skopeo', ['copy', PLAIN.target, `oci:${layout.folder}:1`, `${at}/team/app:1`])
  await assertServesLayout(client, 'team/app', '1', layout.folder, image.digest)
  const back = place('back')
  await run('skopeo', ['copy', PLAIN.source, `${at}/team/app:1`, `oci:${back}:1`])
  assert.equal(taggedDigest(back, '1'), image.digest)
  assert.deepEqual(digestsBelow(back, image.digest), digestsBelow(layout.folder, image.digest))
  await run('umoci', ['unpack', '--image', `${back}:1`, join(back, 'bundle')])
  assert.equal(readFileSync(join(back, 'bundle/rootfs/etc/hello'), 'utf8'), 'hello by skopeo\n')
})

test('skopeo copies, lists, inspects and deletes', { skip, timeout: 120_000 }, async (context) => {
  const { client, run, place, at } = await begin(context)
  const layout = createLayout(place('layout'))
  const image = layout.addImage({ layers: [fileLayer('a', 'a'), randomLayer('copy', 200_000)] })
  layout.tag(image, '1')
  for (const tag of ['v1', 'v2', 'v10'])
    await run('skopeo', ['copy', PLAIN.target, `oci:${layout.folder}:1`, `${at}/o/x:${tag}`])
  await run('skopeo', ['copy', PLAIN.source, PLAIN.target, `${at}/o/x:v1`, `${at}/o/y:v1`])
  await assertServesLayout(client, 'o/y', 'v1', layout.folder, image.digest)
  const listed = await run('skopeo', ['list-tags', '--tls-verify=false', `${at}/o/x`])
  assert.deepEqual((JSON.parse(listed.stdout) as { Tags: string[] }).Tags.sort(), ['v1', 'v10', 'v2'])
  const inspected = await run('skopeo', ['inspect', '--tls-verify=false', `${at}/o/x:v1`])
  assert.equal((JSON.parse(inspected.stdout) as { Digest: string }).Digest, image.digest)
  await run('skopeo', ['delete', '--tls-verify=false', `${at}/o/x:v1`])
  await assertGone(client, 'o/x', 'v1')
  await assertServesLayout(client, 'o/y', 'v1', layout.folder, image.digest)
})

test(
  'skopeo pushes an index of five platforms with all below it',
  { skip, timeout: 120_000 },
  async (context) => {
    const { client, run, place, at } = await begin(context)
    const layout = createLayout(place('layout'))
    const platforms = ['amd64', 'arm64', 'arm', 'ppc64le', 's390x']
    const images = platforms.map((architecture) =>
      layout.addImage({ architecture, layers: [fileLayer('arch', architecture), fileLayer('same', 'same')] }),
    )
    const index = layout.addIndex(images)
    layout.tag(index, 'multi')
    await run('skopeo', ['copy', '--all', PLAIN.target, `oci:${layout.folder}:multi`, `${at}/o/multi:1`])
    await assertServesLayout(client, 'o/multi', '1', layout.folder, index.digest)
    const back = place('back')
    await run('skopeo', ['copy', '--all', PLAIN.source, `${at}/o/multi:1`, `oci:${back}:multi`])
    assert.deepEqual(
      digestsBelow(back, index.digest).sort(),
      digestsBelow(layout.folder, index.digest).sort(),
    )
  },
)

test('skopeo pushes Docker types, and syncs a repository', { skip, timeout: 120_000 }, async (context) => {
  const { client, run, place, at, server } = await begin(context)
  const layout = createLayout(place('layout'))
  layout.tag(layout.addImage({ layers: [fileLayer('a', 'docker types')] }), '1')
  const from = `oci:${layout.folder}:1`
  await run('skopeo', ['copy', '--format', 'v2s2', PLAIN.target, from, `${at}/o/docker:1`])
  const stored = await client.getManifest('o/docker', '1')
  assert.equal(stored.headers['content-type'], 'application/vnd.docker.distribution.manifest.v2+json')
  const folder = place('synced')
  const pull = ['--src', 'docker', '--dest', 'dir', PLAIN.source, `${server.host}/o/docker`, folder]
  await run('skopeo', ['sync', ...pull])
  const push = ['--src', 'dir', '--dest', 'docker', PLAIN.target, folder, `${server.host}/again`]
  await run('skopeo', ['sync', ...push])
  const before = await digestsServed(client, 'o/docker', '1')
  assert.deepEqual(await digestsServed(client, 'again/docker', '1'), before)
})

test('skopeo pushes and pulls a layer of 256 MiB', { skip, timeout: 240_000 }, async (context) => {
  const { client, run, place, at } = await begin(context)
  const layout = createLayout(place('layout'))
  const layers = [randomLayer('large', 256 * 1024 * 1024)]
  const image = layout.addImage({ layers, uncompressed: true })
  layout.tag(image, 'large')
  const keep = '--preserve-digests'
  await run('skopeo', ['copy', keep, PLAIN.target, `oci:${layout.folder}:large`, `${at}/o/large:1`])
  await assertServesLayout(client, 'o/large', '1', layout.folder, image.digest)
  const back = place('back')
  await run('skopeo', ['copy', keep, PLAIN.source, `${at}/o/large:1`, `oci:${back}:large`])
  assert.deepEqual(digestsBelow(back, image.digest), digestsBelow(layout.folder, image.digest))
})
