/** Clients that keep other things than images in a registry: helm, cosign, oras. */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { digestOf } from '../lib/content.ts'
import { createLayout, fileLayer } from './layout.ts'
import {
  ALL_CLIENTS,
  assertGone,
  clientPath,
  createWorkplace,
  digestsServed,
  missingClients,
  NOT_ALL,
  pushLayout,
} from './workplace.ts'

const newer = (name: string): boolean => clientPath(name, true) !== undefined
const skipUnless = (name: string): string | false =>
  !ALL_CLIENTS ? NOT_ALL : !newer(name) && missingClients([name], 'optional')

test(
  'helm pushes a chart and pulls it back',
  { skip: skipUnless('helm'), timeout: 120_000 },
  async (context) => {
    const { client, run, place, server } = await createWorkplace(context, 'helm')
    const chart = place('chart/demo')
    mkdirSync(join(chart, 'templates'))
    writeFileSync(join(chart, 'Chart.yaml'), 'apiVersion: v2\nname: demo\nversion: 1.2.3+build.4\n')
    writeFileSync(
      join(chart, 'templates/map.yaml'),
      'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: demo}\n',
    )
    const packed = place('packed')
    await run('helm', ['package', chart, '-d', packed])
    const file = 'demo-1.2.3+build.4.tgz'
    const target = `oci://${server.host}/charts`
    await run('helm', ['push', '--plain-http', join(packed, file), target])
    await digestsServed(client, 'charts/demo', '1.2.3_build.4')
    const back = place('back')
    const version = ['--version', '1.2.3+build.4']
    await run('helm', ['pull', '--plain-http', `${target}/demo`, ...version, '-d', back])
    assert.equal(digestOf(readFileSync(join(back, file))), digestOf(readFileSync(join(packed, file))))
    const shown = await run('helm', ['template', '--plain-http', 'it', `${target}/demo`, ...version])
    assert.match(shown.stdout, /kind: ConfigMap/)
  },
)

test('cosign signs and verifies', { skip: skipUnless('cosign'), timeout: 240_000 }, async (context) => {
  const workplace = await createWorkplace(context, 'cosign', { newer: newer('cosign') })
  const { client, run, place, server } = workplace
  const layout = createLayout(place('layout'))
  const image = layout.addImage({ layers: [fileLayer('signed', 'signed')] })
  const other = layout.addImage({ layers: [fileLayer('unsigned', 'unsigned')] })
  await pushLayout(client, 'team/signed', '1', layout.folder, image.digest)
  await pushLayout(client, 'team/signed', '2', layout.folder, other.digest)
  const keys = place('keys')
  const options = { env: { COSIGN_PASSWORD: 'of a test' }, cwd: keys }
  await run('cosign', ['generate-key-pair'], options)
  const at = (digest: string): string => `${server.host}/team/signed@${digest}`
  const verify = (digest: string, more: string[] = []) => [
    ...['verify', '--key', 'cosign.pub', '--insecure-ignore-tlog=true', '--allow-http-registry'],
    ...more,
    at(digest),
  ]
  for (const format of ['--new-bundle-format=true', '--new-bundle-format=false']) {
    const plain = ['--tlog-upload=false', '--use-signing-config=false', '--allow-http-registry']
    await run('cosign', ['sign', '--yes', '--key', 'cosign.key', ...plain, format, at(image.digest)], options)
    const checked = await run('cosign', verify(image.digest, [format]), options)
    assert.ok((checked.stdout + checked.stderr).includes('were verified'), checked.stderr)
    const unsigned = await run('cosign', verify(other.digest, [format]), { ...options, mayFail: true })
    assert.notEqual(unsigned.code, 0, 'an image that nobody signed was verified')
  }
  const referrers = await client.ask('GET', `/v2/team/signed/referrers/${image.digest}`)
  const found = (JSON.parse(referrers.body.toString()) as { manifests: unknown[] }).manifests.length
  assert.ok(found >= 1, 'no referrer stands for the signature')
})

test(
  'oras pushes, attaches, discovers, copies, deletes',
  { skip: skipUnless('oras'), timeout: 120_000 },
  async (context) => {
    const { client, run, place, server } = await createWorkplace(context, 'oras', { newer: newer('oras') })
    const work = place('work')
    writeFileSync(join(work, 'a.txt'), 'of oras')
    writeFileSync(join(work, 'sbom.json'), '{"sbom":true}')
    const here = { cwd: work }
    const target = `${server.host}/team/oras:1`
    const type = 'application/vnd.example.thing'
    await run('oras', ['push', '--plain-http', '--artifact-type', type, target, 'a.txt:text/plain'], here)
    const [digest] = await digestsServed(client, 'team/oras', '1')
    await run(
      'oras',
      ['attach', '--plain-http', '--artifact-type', 'application/x.sbom', target, 'sbom.json'],
      here,
    )
    const discovered = await run('oras', ['discover', '--plain-http', '--format', 'json', target], here)
    assert.ok(discovered.stdout.includes('application/x.sbom'), discovered.stdout)
    assert.deepEqual(await client.listTags('team/oras'), ['1'], 'the referrers API was not used')
    const copy = ['cp', '-r', '--from-plain-http', '--to-plain-http', target, `${server.host}/copied/oras:1`]
    await run('oras', copy, here)
    assert.equal((await digestsServed(client, 'copied/oras', '1'))[0], digest)
    const referrers = await client.ask('GET', `/v2/copied/oras/referrers/${digest}`)
    assert.equal((JSON.parse(referrers.body.toString()) as { manifests: unknown[] }).manifests.length, 1)
    const back = place('back')
    await run('oras', ['pull', '--plain-http', '-o', back, target], here)
    assert.equal(readFileSync(join(back, 'a.txt'), 'utf8'), 'of oras')
    const tags = await run('oras', ['repo', 'tags', '--plain-http', `${server.host}/team/oras`], here)
    assert.equal(tags.stdout, '1\n')
    await run(
      'oras',
      ['manifest', 'delete', '--plain-http', '-f', `${server.host}/team/oras@${digest}`],
      here,
    )
    await assertGone(client, 'team/oras', '1')
  },
)
