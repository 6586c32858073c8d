/** `berth push` into a registry that asks who it is, and over TLS. */
import assert from 'node:assert/strict'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { createCertificates, withoutOpenssl } from '../../src/serving/certificates.fixture.ts'
import { ALICE, BOB, basicOf, createAccessWorkplace, dockerConfigOf } from '../clients/access-workplace.ts'
import { createLayout, fileLayer, randomLayer } from '../clients/layout.ts'
import { assertServesLayout, createWorkplace, digestsServed } from '../clients/workplace.ts'
import { missingPrograms } from '../lib/prerequisite.ts'
import { startServer } from '../lib/start-server.ts'
import { afterwards, temporaryFolder } from '../lib/temporary.ts'
import { type Push, pushIn } from './push-place.ts'

function layoutIn(place: (name: string) => string, seed: string) {
  const layout = createLayout(place(`layout-${seed}`))
  const image = layout.addImage({ layers: [fileLayer('seed', seed), randomLayer(seed, 500_000)] })
  layout.tag(image, '1')
  return { folder: layout.folder, digest: image.digest }
}

test(
  'signs in with what is typed, and with what logins leave behind',
  { timeout: 120_000 },
  async (context) => {
    const workplace = await createAccessWorkplace(context, 'push')
    const { place, server, client, folder } = workplace
    const push = pushIn(workplace)
    const { folder: layout, digest } = layoutIn(place, 'access')
    const to = (name: string): string => `${server.host}/team/${name}:1`
    const arrived = async (name: string): Promise<void> =>
      assertServesLayout(client, `team/${name}`, '1', layout, digest)

    await context.test('a name, and a password on the standard input', async () => {
      const args = [layout, to('typed'), '--username', ALICE.name, '--password-stdin']
      const pushed = await push(args, { input: `${ALICE.password}\n` })
      assert.equal(pushed.code, 0, pushed.stderr)
      await arrived('typed')
      const wrong = await push(args, { input: 'of somebody else\n' })
      assert.deepEqual(
        [wrong.code, wrong.stderr],
        [1, `berth push: ${server.host} does not take the password of alice.\n`],
      )
      assert.match((await push(args, { input: '' })).stderr, /there is no password on the standard input\.$/m)
    })
    await context.test('nobody: told how to sign in', async () => {
      const pushed = await push([layout, to('nobody')])
      assert.equal(pushed.code, 1)
      assert.match(pushed.stderr, /asks for a name and a password|does not allow it to push to team\/nobody/)
      assert.match(pushed.stderr, /docker login/)
    })
    await context.test('somebody who may not push there', async () => {
      const pushed = await push([layout, to('bobs'), '-u', BOB.name, '--password-stdin'], {
        input: BOB.password,
      })
      assert.equal(pushed.code, 1)
      assert.match(pushed.stderr, /does not allow it to push to team\/bobs \(40[13]: (?:DENIED|UNAUTHORIZED)/)
    })
    await context.test("Docker's config.json, podman's auth.json, and a file that is named", async () => {
      const docker = join(place('docker'), 'config.json')
      writeFileSync(docker, dockerConfigOf(server.host, ALICE))
      const podman = join(place('xdg/containers'), 'auth.json')
      const nearest = Buffer.from(`${ALICE.name}:${ALICE.password}`).toString('base64')
      const wrong = Buffer.from('alice:wrong').toString('base64')
      writeFileSync(
        podman,
        JSON.stringify({
          auths: { [server.host]: { auth: wrong }, [`${server.host}/team`]: { auth: nearest } },
        }),
      )
      const places: [name: string, env: Record<string, string>][] = [
        ['docker', { DOCKER_CONFIG: join(folder, 'docker') }],
        ['podman', { XDG_RUNTIME_DIR: join(folder, 'xdg') }],
        ['named', { REGISTRY_AUTH_FILE: docker }],
      ]
      for (const [name, env] of places) {
        const pushed = await push([layout, to(name)], { env })
        assert.equal(pushed.code, 0, `${name}: ${pushed.stderr}`)
        await arrived(name)
      }
      writeFileSync(docker, dockerConfigOf(server.host, { ...ALICE, password: 'old' }))
      const old = await push([layout, to('old')], { env: { DOCKER_CONFIG: join(folder, 'docker') } })
      assert.match(old.stderr, new RegExp(`does not take the password of alice in ${docker}`))
      writeFileSync(docker, '{"auths":')
      const broken = await push([layout, to('old')], { env: { DOCKER_CONFIG: join(folder, 'docker') } })
      assert.match(broken.stderr, new RegExp(`${docker} is no JSON object: mend it`))
    })
    await context.test('a credential helper', async () => {
      const programs = place('programs')
      const write = (lines: string[]): void => {
        writeFileSync(join(programs, 'docker-credential-tests'), `#!/bin/sh\n${lines.join('\n')}\n`)
        chmodSync(join(programs, 'docker-credential-tests'), 0o755)
      }
      const config = place('helped')
      writeFileSync(
        join(config, 'config.json'),
        JSON.stringify({ credsStore: 'nothing', credHelpers: { [server.host]: 'tests' } }),
      )
      const env = { DOCKER_CONFIG: config, PATH: `${programs}:${process.env['PATH']}` }
      write([
        'read server',
        `[ "$1 $server" = "get ${server.host}" ] || exit 3`,
        `echo '{"ServerURL":"x","Username":"${ALICE.name}","Secret":"${ALICE.password}"}'`,
      ])
      const pushed = await push([layout, to('helped')], { env })
      assert.equal(pushed.code, 0, pushed.stderr)
      await arrived('helped')
      write(['echo the keychain is locked', 'exit 1'])
      const locked = await push([layout, to('helped')], { env })
      assert.match(
        locked.stderr,
        /docker-credential-tests gives no password for .*: the keychain is locked\.$/m,
      )
      write(['echo credentials not found in native keychain', 'exit 1'])
      assert.match((await push([layout, to('helped')], { env })).stderr, /docker login/)
      const gone = await push([layout, 'registry.invalid/a/b:1'], { env })
      assert.match(gone.stderr, /docker-credential-nothing is not on the PATH/)
    })
    await context.test('a refresh token, as logins with an identity token keep it', async () => {
      const asked = await fetch(
        `${server.url}/token?service=berth&offline_token=true&scope=repository:team/refreshed:pull,push`,
        { headers: { authorization: basicOf(ALICE) } },
      )
      const { refresh_token: token } = (await asked.json()) as { refresh_token: string }
      const config = place('refreshed')
      writeFileSync(
        join(config, 'config.json'),
        JSON.stringify({ auths: { [server.host]: { identitytoken: token } } }),
      )
      const pushed = await push([layout, to('refreshed')], { env: { DOCKER_CONFIG: config } })
      assert.equal(pushed.code, 0, pushed.stderr)
      await arrived('refreshed')
    })
  },
)

test('a robot', { timeout: 60_000 }, async (context) => {
  const workplace = await createAccessWorkplace(context, 'push-robot')
  const { place, server, client } = workplace
  const robot = await workplace.robot('ci', 'team/**:pull,push')
  const { folder, digest } = layoutIn(place, 'robot')
  const pushed = await pushIn(workplace)(
    [folder, `${server.host}/team/robot:1`, '-u', robot.name, '--password-stdin'],
    {
      input: robot.password,
    },
  )
  assert.equal(pushed.code, 0, pushed.stderr)
  await assertServesLayout(client, 'team/robot', '1', folder, digest)
})

const skip = (await withoutOpenssl()) ?? missingPrograms('openssl')

test(
  'TLS: a certificate authority of its own, a wrong name, none at all',
  { skip, timeout: 90_000 },
  async (context) => {
    const workplace = await createWorkplace(context, 'push-tls')
    const { push, host, ca, other } = await startTls(context, pushIn(workplace))
    const { folder, digest } = layoutIn(workplace.place, 'tls')
    const to = `${host}/o/tls:1`
    const unknown = await push([folder, to])
    assert.equal(unknown.code, 1)
    assert.match(
      unknown.stderr,
      /is from a certificate authority that is not known here: --ca FILE names its certificate/,
    )
    assert.match(
      (await push([folder, to, '--ca', other])).stderr,
      /is from a certificate authority that is not known/,
    )
    for (const more of [['--ca', ca], ['--tls-verify=false']]) {
      const pushed = await push([folder, to, ...more])
      assert.equal(pushed.code, 0, pushed.stderr)
      assert.equal(pushed.stdout, `${to}@${digest}\n`)
    }
    const plain = await push([folder, to, '--plain-http'])
    assert.equal(plain.code, 1)
    const name = await push([folder, `${host.replace('localhost', '127.0.0.1')}/o/tls:1`, '--ca', ca])
    assert.match(name.stderr, /is for another name: use the name that stands in it/)
  },
)

test(
  'a registry without TLS under a name that is not this machine: told of --plain-http',
  { timeout: 60_000 },
  async (context) => {
    const workplace = await createWorkplace(context, 'push-plain')
    const { place, server, client } = workplace
    const push = pushIn(workplace)
    const { folder } = layoutIn(place, 'plain')
    // Another name of this machine, which nobody takes for it.
    const to = `0.0.0.0:${new URL(server.url).port}/o/plain:1`
    assert.match((await push([folder, to])).stderr, /does not speak TLS: --plain-http asks it without\.$/m)
    const pushed = await push([folder, to, '--plain-http'])
    assert.equal(pushed.code, 0, pushed.stderr)
    await digestsServed(client, 'o/plain', '1')
  },
)

async function startTls(context: TestContext, push: Push) {
  const files = await createCertificates()
  afterwards(context, () => files.remove())
  const [authority, others] = [await files.authority('own'), await files.authority('others')]
  const own = await files.issue('server', authority, { subject: 'localhost', names: 'DNS:localhost' })
  const root = temporaryFolder(context, 'push-tls-data')
  const server = await startServer({
    root,
    config: {
      version: 0.1,
      storage: { filesystem: { rootdirectory: root } },
      http: { addr: '127.0.0.1:0', tls: own },
    },
  })
  afterwards(context, () => server.stop())
  const host = `localhost:${new URL(server.url).port}`
  return { push, host, ca: authority.certificate, other: others.certificate }
}
