/** Real clients with accounts: what they may, what they may not, and what everybody may. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import {
  type Account,
  type AccessWorkplace,
  ALICE,
  BOB,
  createAccessWorkplace,
  dockerConfigOf,
} from './access-workplace.ts'
import { containersEnvironment } from './containers.ts'
import { tryDockerWithAccounts } from './docker-access.ts'
import { createLayout, fileLayer, randomLayer } from './layout.ts'
import {
  assertServesLayout,
  clientPath,
  digestsServed,
  missingClients,
  needsRoot,
  pushLayout,
  type Ran,
} from './workplace.ts'

const NO = /unauthorized|denied|authentication required|not authorized|invalid username|403|401/i

/** What a client must be told, and that it then failed. */
function assertRefused(ran: Ran, what: string): void {
  assert.notEqual(ran.code, 0, `${what} was allowed`)
  assert.match(ran.stderr + ran.stdout, NO, what)
}

async function pushPublic({ client, place }: AccessWorkplace): Promise<void> {
  const layout = createLayout(place('public'))
  const image = layout.addImage({ layers: [fileLayer('public', 'for everybody')] })
  await pushLayout(client, 'public/tool', '1', layout.folder, image.digest)
}

test(
  'Docker, of the distribution, with accounts',
  { skip: missingClients(['dockerd', 'runc', 'busybox']) || needsRoot(), timeout: 240_000 },
  (context) => tryDockerWithAccounts(context, {}),
)

test(
  'skopeo with accounts, and with a pull secret',
  { skip: missingClients(['skopeo', 'busybox']) || needsRoot(), timeout: 120_000 },
  async (context) => {
    const workplace = await createAccessWorkplace(context, 'skopeo')
    const { client, run, place, server } = workplace
    await pushPublic(workplace)
    const layout = createLayout(place('layout'))
    const image = layout.addImage({ layers: [fileLayer('a', 'a'), randomLayer('access', 200_000)] })
    layout.tag(image, '1')
    const at = (name: string): string => `docker://${server.host}/${name}`
    const creds = ({ name, password }: Account): string => `${name}:${password}`
    const copyIn = (who: string[], name: string, options = {}): Promise<Ran> =>
      run('skopeo', ['copy', '--dest-tls-verify=false', ...who, `oci:${layout.folder}:1`, at(name)], options)
    const copyOut = (who: string[], name: string, options = {}): Promise<Ran> =>
      run('skopeo', ['copy', '--src-tls-verify=false', ...who, at(name), `dir:${place('out')}`], options)
    await copyIn(['--dest-creds', creds(ALICE)], 'team/app:1')
    await assertServesLayout(client, 'team/app', '1', layout.folder, image.digest)
    await copyOut(['--src-creds', creds(ALICE)], 'team/app:1')
    const mayFail = { mayFail: true }
    assertRefused(await copyOut(['--src-creds', creds(BOB)], 'team/app:1', mayFail), 'pull of another')
    assertRefused(await copyOut(['--src-no-creds'], 'team/app:1', mayFail), 'anonymous pull')
    assertRefused(await copyIn(['--dest-creds', creds(BOB)], 'team/app:2', mayFail), 'push of another')
    assertRefused(await copyIn(['--dest-creds', 'alice:wrong'], 'team/app:2', mayFail), 'a wrong password')
    await copyOut(['--src-no-creds'], 'public/tool:1')
    await copyIn(['--dest-creds', creds(BOB)], 'bob/own:1')
    await run('skopeo', ['login', '--tls-verify=false', '-u', 'alice', '--password-stdin', server.host], {
      input: ALICE.password,
      env: { REGISTRY_AUTH_FILE: join(place('login'), 'auth.json') },
    })

    // As the kubelet hands it on: user name and password of a robot in a docker configuration.
    const robot = await workplace.robot('cluster', 'team/**:pull')
    const secret = join(place('secret'), 'config.json')
    writeFileSync(secret, dockerConfigOf(server.host, robot))
    await copyOut(['--src-authfile', secret], 'team/app:1')
    assertRefused(
      await copyIn(['--dest-authfile', secret], 'team/app:3', mayFail),
      'push by a robot that pulls',
    )
  },
)

test(
  'podman with accounts',
  { skip: missingClients(['podman', 'runc', 'busybox']) || needsRoot(), timeout: 240_000 },
  async (context) => {
    const workplace = await createAccessWorkplace(context, 'podman')
    const { client, place, server } = workplace
    const own = containersEnvironment(workplace)
    const podman = (args: string[], options: { mayFail?: boolean; input?: string } = {}): Promise<Ran> =>
      workplace.run('podman', args, { ...options, env: own })
    const login = ({ name, password }: Account, mayFail = false): Promise<Ran> =>
      podman(['login', '-u', name, '--password-stdin', server.host], { input: password, mayFail })
    await pushPublic(workplace)
    const layout = createLayout(place('layout'))
    const image = layout.addImage({ layers: [fileLayer('a', 'podman')] })
    await pushLayout(client, 'team/app', '1', layout.folder, image.digest)
    const at = (name: string): string => `${server.host}/${name}`

    await podman(['pull', '-q', at('public/tool:1')])
    assertRefused(await podman(['pull', '-q', at('team/app:1')], { mayFail: true }), 'anonymous pull')
    assertRefused(await login({ name: 'alice', password: 'wrong' }, true), 'a wrong password')
    await login(ALICE)
    await podman(['pull', '-q', at('team/app:1')])
    await podman(['tag', at('team/app:1'), at('team/app:2')])
    await podman(['push', '-q', at('team/app:2')])
    await digestsServed(client, 'team/app', '2')
    const found = await podman(['search', at('app')])
    assert.match(found.stdout, /team\/app/)
    const tags = await podman(['search', '--list-tags', at('team/app')])
    assert.match(tags.stdout, /team\/app\s+2\b/)
    await podman(['logout', server.host])
    assert.doesNotMatch((await podman(['search', at('app')], { mayFail: true })).stdout, /team\/app/)
    assert.match((await podman(['search', at('tool')])).stdout, /public\/tool/)
    await login(BOB)
    assertRefused(await podman(['pull', '-q', at('team/app:1')], { mayFail: true }), 'pull of another')
    await podman(['tag', at('team/app:1'), at('team/app:3')])
    assertRefused(await podman(['push', '-q', at('team/app:3')], { mayFail: true }), 'push of another')
  },
)

test(
  'crane with accounts: login, copy, mount, catalog, delete',
  { skip: missingClients(['crane'], 'optional'), timeout: 120_000 },
  async (context) => {
    const workplace = await createAccessWorkplace(context, 'crane')
    const { client, run, place, server } = workplace
    await pushPublic(workplace)
    const layout = createLayout(place('layout'))
    const image = layout.addImage({ layers: [fileLayer('a', 'crane'), randomLayer('access', 300_000)] })
    layout.tag(image, '1')
    const at = (name: string): string => `${server.host}/${name}`
    const login = ({ name, password }: Account): Promise<Ran> =>
      run('crane', ['auth', 'login', server.host, '-u', name, '--password-stdin'], { input: password })
    await login(ALICE)
    await run('crane', ['push', layout.folder, at('team/app:1')])
    await run('crane', ['copy', at('team/app:1'), at('team/copy:1')])
    const [digest] = await digestsServed(client, 'team/copy', '1')
    await run('crane', ['delete', `${at('team/copy')}@${digest}`])
    assert.deepEqual((await run('crane', ['catalog', server.host])).stdout.trim().split('\n'), [
      'public/tool',
      'team/app',
      'team/copy',
    ])
    await login(BOB)
    assertRefused(await run('crane', ['digest', at('team/app:1')], { mayFail: true }), 'pull of another')
    assertRefused(
      await run('crane', ['copy', at('team/app:1'), at('bob/app:1')], { mayFail: true }),
      'copy of what is not readable',
    )
    assert.equal((await run('crane', ['catalog', server.host])).stdout.trim(), 'public/tool')
    await run('crane', ['auth', 'logout', server.host])
    await run('crane', ['digest', at('public/tool:1')])
    assertRefused(await run('crane', ['digest', at('team/app:1')], { mayFail: true }), 'anonymous pull')
  },
)

test(
  'regctl with accounts',
  { skip: missingClients(['regctl'], 'optional'), timeout: 120_000 },
  async (context) => {
    const workplace = await createAccessWorkplace(context, 'regctl')
    const { client, run, place, server } = workplace
    const layout = createLayout(place('layout'))
    const image = layout.addImage({ layers: [fileLayer('a', 'regctl'), randomLayer('access', 300_000)] })
    layout.tag(image, '1')
    const at = (name: string): string => `${server.host}/${name}`
    await run('regctl', ['registry', 'set', '--tls', 'disabled', server.host])
    const login = ({ name, password }: Account, mayFail = false): Promise<Ran> =>
      run('regctl', ['registry', 'login', '-u', name, '--pass-stdin', server.host], {
        input: password,
        mayFail,
      })
    assert.notEqual((await login({ name: 'alice', password: 'wrong' }, true)).code, 0, 'a wrong password')
    await login(ALICE)
    await run('regctl', ['image', 'copy', `ocidir://${layout.folder}:1`, at('team/app:1')])
    await run('regctl', ['image', 'copy', at('team/app:1'), at('alice/app:1')])
    await assertServesLayout(client, 'alice/app', '1', layout.folder, image.digest)
    await run('regctl', ['tag', 'rm', at('team/app:1')])
    await login(BOB)
    assertRefused(
      await run('regctl', ['image', 'digest', at('alice/app:1')], { mayFail: true }),
      'pull of another',
    )
    assert.ok(clientPath('regctl'))
  },
)
