import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { createLayout, digestsBelow, fileLayer, randomLayer, taggedDigest } from './layout.ts'
import {
  assertGone,
  assertServesLayout,
  createWorkplace,
  missingClients,
  pushLayout,
  type Workplace,
} from './workplace.ts'

const skip = missingClients(['regctl'], 'optional')

async function begin(context: TestContext): Promise<Workplace> {
  const workplace = await createWorkplace(context, 'regctl')
  await workplace.run('regctl', ['registry', 'set', '--tls', 'disabled', workplace.server.host])
  return workplace
}

test('regctl copies images and indexes both ways', { skip, timeout: 120_000 }, async (context) => {
  const { client, run, place, server } = await begin(context)
  const layout = createLayout(place('layout'))
  const images = ['amd64', 'arm64'].map((architecture) =>
    layout.addImage({ architecture, layers: [fileLayer('a', architecture), randomLayer('same', 100_000)] }),
  )
  const index = layout.addIndex(images)
  layout.tag(index, 'multi')
  const target = `${server.host}/team/regctl:1`
  await run('regctl', ['image', 'copy', `ocidir://${layout.folder}:multi`, target])
  await assertServesLayout(client, 'team/regctl', '1', layout.folder, index.digest)
  await run('regctl', ['image', 'copy', target, `${server.host}/other/regctl:1`])
  await assertServesLayout(client, 'other/regctl', '1', layout.folder, index.digest)
  const back = join(place('back'), 'layout')
  await run('regctl', ['image', 'copy', target, `ocidir://${back}:multi`])
  assert.equal(taggedDigest(back, 'multi'), index.digest)
  assert.deepEqual(digestsBelow(back, index.digest), digestsBelow(layout.folder, index.digest))
})

test('regctl lists and deletes tags', { skip, timeout: 120_000 }, async (context) => {
  const { client, run, place, server } = await begin(context)
  const layout = createLayout(place('layout'))
  const image = layout.addImage({ layers: [fileLayer('a', 'a')] })
  for (const tag of ['1', '2', '3']) await pushLayout(client, 'team/tags', tag, layout.folder, image.digest)
  assert.equal((await run('regctl', ['tag', 'ls', `${server.host}/team/tags`])).stdout, '1\n2\n3\n')
  await run('regctl', ['tag', 'rm', `${server.host}/team/tags:2`])
  await assertGone(client, 'team/tags', '2')
  await assertServesLayout(client, 'team/tags', '1', layout.folder, image.digest)
  assert.match((await run('regctl', ['repo', 'ls', server.host])).stdout, /^team\/tags$/m)
})

test(
  'regctl attaches an artifact and finds it by its subject',
  { skip, timeout: 120_000 },
  async (context) => {
    const { client, run, place, server } = await begin(context)
    const layout = createLayout(place('layout'))
    const image = layout.addImage({ layers: [fileLayer('a', 'subject')] })
    await pushLayout(client, 'team/subject', '1', layout.folder, image.digest)
    const file = join(place('work'), 'sbom.json')
    writeFileSync(file, '{"about":"the image"}')
    const subject = `${server.host}/team/subject:1`
    const type = 'application/vnd.example.sbom.v1'
    await run('regctl', ['artifact', 'put', '--subject', subject, '--artifact-type', type, '-f', file])
    const listed = await run('regctl', ['artifact', 'list', subject, '--format', '{{json .}}'])
    assert.ok(listed.stdout.includes(type), listed.stdout)
    const got = await run('regctl', ['artifact', 'get', '--subject', subject, '--filter-artifact-type', type])
    assert.equal(got.stdout, '{"about":"the image"}')
    const fallback = await client.listTags('team/subject')
    context.diagnostic(`tags: ${fallback?.join(', ')} (more than 1: the referrers API was not used)`)
  },
)

test('regctl uploads a blob in small chunks', { skip, timeout: 120_000 }, async (context) => {
  const { client, run, place, server } = await begin(context)
  const chunks = ['--blob-chunk', '65536', '--blob-max', '65536']
  await run('regctl', ['registry', 'set', '--tls', 'disabled', ...chunks, server.host])
  const layout = createLayout(place('layout'))
  const image = layout.addImage({ layers: [randomLayer('chunks', 1_500_000)], uncompressed: true })
  layout.tag(image, '1')
  await run('regctl', ['image', 'copy', `ocidir://${layout.folder}:1`, `${server.host}/team/chunks:1`])
  await assertServesLayout(client, 'team/chunks', '1', layout.folder, image.digest)
})
