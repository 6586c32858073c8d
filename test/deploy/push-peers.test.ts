/** `berth push` into CNCF Distribution, and what other clients find in registries that it pushed to. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { createLayout, digestsBelow, fileLayer, randomLayer, taggedDigest } from '../clients/layout.ts'
import { assertServesLayout, createWorkplace, missingClients } from '../clients/workplace.ts'
import { missingPrograms } from '../lib/prerequisite.ts'
import { createRegistryClient } from '../lib/registry-client.ts'
import { startServer } from '../lib/start-server.ts'
import { afterwards } from '../lib/temporary.ts'
import { type Fate, pushIn, startAwkwardProxy } from './push-place.ts'

const skip = missingPrograms('docker-registry', 'skopeo')
/** `alice`, `of alice`, as `htpasswd -B` writes it. */
const HTPASSWD = 'alice:$2y$05$5IYcf8Cnq6f6yiSsCi6C/ubMCuL/8UK7b.bUez2RAcXdlS9PQmgbS\n'

/** CNCF Distribution 2.8, as Debian has it, beside a Berth. */
async function begin(context: TestContext, name: string, auth: Record<string, unknown> = {}) {
  const workplace = await createWorkplace(context, name)
  const root = workplace.place('distribution')
  const peer = await startServer({
    root,
    command: ['docker-registry', 'serve'],
    config: {
      version: 0.1,
      log: { level: 'info', accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: root }, delete: { enabled: true } },
      http: { addr: '127.0.0.1:0', secret: 'of the tests' },
      ...auth,
    },
  })
  afterwards(context, () => peer.stop())
  const client = createRegistryClient(peer.url)
  afterwards(context, () => client.close())
  const layout = createLayout(workplace.place('layout'))
  const images = ['amd64', 'arm64'].map((architecture) =>
    layout.addImage({
      architecture,
      layers: [fileLayer('arch', architecture), randomLayer(architecture, 6_000_000)],
      uncompressed: true,
    }),
  )
  const index = layout.addIndex(images)
  layout.tag(index, '1')
  return { ...workplace, peer, client, push: pushIn(workplace), layout: layout.folder, digest: index.digest }
}

test(
  'CNCF Distribution: all of an index, once; skopeo finds the same there',
  { skip, timeout: 120_000 },
  async (context) => {
    const { push, peer, client, layout, digest, run, place, server } = await begin(context, 'push-peer')
    const pushed = await push([layout, `${peer.host}/team/app:1`])
    assert.equal(pushed.code, 0, pushed.stderr)
    await assertServesLayout(client, 'team/app', '1', layout, digest)
    assert.match(
      (await push([layout, `${peer.host}/team/app:1`])).stderr,
      /0 blobs uploaded \(0 B\), 6 there already, 0 of 3 manifests new/,
    )
    const mounted = await push([layout, `${peer.host}/other/app:1`, '--mount-from', 'team/app'])
    assert.match(
      mounted.stderr,
      /0 blobs uploaded \(0 B\), 6 taken from other repositories, 3 of 3 manifests new/,
    )
    await assertServesLayout(client, 'other/app', '1', layout, digest)
    const chunked = await push([layout, `${peer.host}/chunked/app:1`, '--chunk-size', '1M', '-j', '2'])
    assert.equal(chunked.code, 0, chunked.stderr)
    await assertServesLayout(client, 'chunked/app', '1', layout, digest)
    // The same into Berth: what each of them gives back is the same.
    assert.equal((await push([layout, `${server.host}/team/app:1`])).code, 0)
    for (const host of [peer.host, server.host]) {
      const back = place(`back-${host.replace(':', '-')}`)
      await run('skopeo', [
        'copy',
        '--all',
        '--preserve-digests',
        '--src-tls-verify=false',
        `docker://${host}/team/app:1`,
        `oci:${back}:1`,
      ])
      assert.equal(taggedDigest(back, '1'), digest)
      assert.deepEqual(digestsBelow(back, digest).sort(), digestsBelow(layout, digest).sort())
    }
  },
)

test(
  'CNCF Distribution behind what fails: it forgets a broken request, and the blob is sent again',
  { skip, timeout: 120_000 },
  async (context) => {
    const { push, peer, client, layout, digest } = await begin(context, 'push-peer-cut')
    let cuts = 0
    const proxy = await startAwkwardProxy(context, peer.url, ({ method, headers }): Fate => {
      if (method === 'PATCH' && Number(headers['content-length']) > 5_000_000 && cuts++ < 2)
        return { how: 'cut', after: 2_000_000 }
      return Number(headers['content-length'] ?? 0) > 7_000_000 ? { status: 413 } : 'pass'
    })
    const pushed = await push([layout, `${proxy.host}/o/cut:1`])
    assert.equal(pushed.code, 0, pushed.stderr)
    assert.ok(cuts >= 2)
    await assertServesLayout(client, 'o/cut', '1', layout, digest)
    const tight = await startAwkwardProxy(context, peer.url, ({ headers }): Fate =>
      Number(headers['content-length'] ?? 0) > 2_000_000 ? { status: 413 } : 'pass',
    )
    const limited = await push([layout, `${tight.host}/o/limited:1`])
    assert.equal(limited.code, 0, limited.stderr)
    assert.match(limited.stderr, /going on in pieces of 1\.0 MiB/)
    await assertServesLayout(client, 'o/limited', '1', layout, digest)
  },
)

test('CNCF Distribution with an htpasswd file: Basic', { skip, timeout: 120_000 }, async (context) => {
  const folder = await begin(context, 'push-peer-basic')
  mkdirSync(folder.place('auth'), { recursive: true })
  const path = join(folder.place('auth'), 'htpasswd')
  writeFileSync(path, HTPASSWD)
  const { push, peer, layout } = await begin(context, 'push-peer-htpasswd', {
    auth: { htpasswd: { realm: 'x', path } },
  })
  const args = [layout, `${peer.host}/o/basic:1`, '-u', 'alice', '--password-stdin']
  const pushed = await push(args, { input: 'of alice' })
  assert.equal(pushed.code, 0, pushed.stderr)
  const wrong = await push(args, { input: 'of bob' })
  assert.equal(wrong.stderr, `berth push: ${peer.host} does not take the password of alice.\n`)
  assert.match((await push(args.slice(0, 2))).stderr, /asks for a name and a password/)
})

const noCrane = missingClients(['crane'], 'optional')

test(
  'crane finds what was pushed, and pushes what was pulled',
  { skip: noCrane, timeout: 120_000 },
  async (context) => {
    const workplace = await createWorkplace(context, 'push-crane')
    const { server, run, place, client } = workplace
    const push = pushIn(workplace)
    const layout = createLayout(place('layout'))
    const image = layout.addImage({ layers: [fileLayer('a', 'a'), randomLayer('crane', 2_000_000)] })
    layout.tag(image, '1')
    assert.equal((await push([layout.folder, `${server.host}/o/crane:1`])).code, 0)
    assert.equal(
      (await run('crane', ['digest', '--insecure', `${server.host}/o/crane:1`])).stdout.trim(),
      image.digest,
    )
    await run('crane', ['validate', '--insecure', '--remote', `${server.host}/o/crane:1`])
    // A layout that crane writes has no names in it.
    const back = place('back')
    await run('crane', ['pull', '--insecure', '--format=oci', `${server.host}/o/crane:1`, back])
    const again = await push([back, `${server.host}/o/again:1`])
    assert.equal(again.stdout, `${server.host}/o/again:1@${image.digest}\n`, again.stderr)
    await assertServesLayout(client, 'o/again', '1', layout.folder, image.digest)
    // The older form of "docker save", as crane writes it.
    const tarball = join(place('tar'), 'saved.tar')
    await run('crane', ['pull', '--insecure', '--format=tarball', `${server.host}/o/crane:1`, tarball])
    const saved = await push([tarball, `${server.host}/o/saved:1`])
    assert.equal(saved.code, 0, saved.stderr)
    await run('crane', ['validate', '--insecure', '--remote', `${server.host}/o/saved:1`])
  },
)
