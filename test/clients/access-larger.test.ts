/** The larger set of clients, with accounts. */
import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { ALICE, BOB, createAccessWorkplace, dockerConfigOf } from './access-workplace.ts'
import { startContainerd } from './containerd-daemon.ts'
import { tryDockerWithAccounts } from './docker-access.ts'
import { startEngine } from './docker-engine.ts'
import { busyboxLayer, createLayout, fileLayer } from './layout.ts'
import {
  ALL_CLIENTS,
  assertServesLayout,
  clientPath,
  digestsServed,
  missingClients,
  needsRoot,
  NOT_ALL,
  pushLayout,
} from './workplace.ts'

const newer = (name: string): boolean => clientPath(name, true) !== undefined
const skipUnless = (name: string): string | false =>
  !ALL_CLIENTS ? NOT_ALL : !newer(name) && missingClients([name], 'optional')
const noDocker = !ALL_CLIENTS ? NOT_ALL : missingClients(['dockerd', 'docker'], 'newer') || needsRoot()

for (const containerdStore of [false, true])
  test(
    `a newer Docker with accounts, ${containerdStore ? "containerd's store" : 'its own store'}`,
    { skip: noDocker, timeout: 240_000 },
    (context) => tryDockerWithAccounts(context, { newer: true, containerdStore }),
  )

test(
  'buildx pushes with an account, and is refused without',
  { skip: noDocker, timeout: 120_000 },
  async (context) => {
    const workplace = await createAccessWorkplace(context, 'buildx')
    const { client, server, place } = workplace
    const { docker } = await startEngine(context, workplace, { newer: true, containerdStore: true })
    const folder = place('context')
    copyFileSync(clientPath('busybox') ?? '', join(folder, 'sh'))
    writeFileSync(join(folder, 'Dockerfile'), 'FROM scratch\nCOPY sh /bin/sh\n')
    const push = ['--output', 'type=image,push=true,oci-mediatypes=true']
    const build = (name: string): string[] => [
      ...['buildx', 'build', '--progress=plain', '--network', 'none', '--provenance=mode=max', ...push],
      ...['-t', `${server.host}/${name}`, folder],
    ]
    assert.notEqual((await docker(build('team/app:1'), { mayFail: true })).code, 0, 'an anonymous push')
    const { name, password } = await workplace.robot('builder', 'team/**:pull,push')
    await docker(['login', '-u', name, '--password-stdin', server.host], { input: password })
    await docker(build('team/app:1'))
    await digestsServed(client, 'team/app', '1')
    // A cache in the registry, by the same account.
    const reference = `${server.host}/team/cache:it`
    await docker([...build('team/app:2'), '--cache-to', `type=registry,ref=${reference},mode=max`])
    await digestsServed(client, 'team/cache', 'it')
    assert.notEqual((await docker(build('other/app:1'), { mayFail: true })).code, 0, 'a push elsewhere')
  },
)

test(
  'containerd with credentials',
  {
    skip: !ALL_CLIENTS ? NOT_ALL : missingClients(['containerd', 'ctr', 'runc'], 'optional') || needsRoot(),
    timeout: 120_000,
  },
  async (context) => {
    const workplace = await createAccessWorkplace(context, 'containerd')
    const { client, server, place } = workplace
    const ctr = await startContainerd(context, workplace)
    const layout = createLayout(place('layout'))
    const busybox = busyboxLayer(clientPath('busybox') ?? '')
    const image = layout.addImage({ layers: [busybox, fileLayer('a', 'containerd')] })
    await pushLayout(client, 'team/app', '1', layout.folder, image.digest)
    const [from, to] = [`${server.host}/team/app:1`, `${server.host}/team/pushed:1`]
    const plain = ['--plain-http']
    const pull = (user: string[]) =>
      ctr(['images', 'pull', ...plain, ...user, from], { mayFail: true, timeout: 30_000 })
    assert.notEqual((await pull([])).code, 0, 'an anonymous pull')
    assert.notEqual((await pull(['--user', `bob:${BOB.password}`])).code, 0, 'a pull of another')
    // As the kubelet's secret for pulls reaches it: a name and a password.
    const robot = await workplace.robot('node', 'team/**:pull,push')
    const user = ['--user', `${robot.name}:${robot.password}`]
    assert.equal((await pull(user)).code, 0)
    await ctr(['images', 'tag', from, to])
    await ctr(['images', 'push', ...plain, ...user, to])
    await assertServesLayout(client, 'team/pushed', '1', layout.folder, image.digest)
  },
)

test('helm signs in', { skip: skipUnless('helm'), timeout: 120_000 }, async (context) => {
  const { client, run, place, server } = await createAccessWorkplace(context, 'helm')
  const chart = place('chart/demo')
  mkdirSync(join(chart, 'templates'))
  writeFileSync(join(chart, 'Chart.yaml'), 'apiVersion: v2\nname: demo\nversion: 1.0.0\n')
  await run('helm', ['package', chart, '-d', place('packed')])
  const file = join(place('packed'), 'demo-1.0.0.tgz')
  const target = `oci://${server.host}/team`
  const push = ['push', '--plain-http', file, target]
  assert.notEqual((await run('helm', push, { mayFail: true })).code, 0, 'an anonymous push')
  const login = ['registry', 'login', '--plain-http', '-u', 'alice', '--password-stdin', server.host]
  assert.notEqual((await run('helm', login, { input: 'wrong', mayFail: true })).code, 0, 'a wrong password')
  await run('helm', login, { input: ALICE.password })
  await run('helm', push)
  await digestsServed(client, 'team/demo', '1.0.0')
  await run('helm', ['pull', '--plain-http', `${target}/demo`, '--version', '1.0.0', '-d', place('back')])
})

test('cosign signs with an account', { skip: skipUnless('cosign'), timeout: 120_000 }, async (context) => {
  const workplace = await createAccessWorkplace(context, 'cosign', { newer: newer('cosign') })
  const { client, run, place, server } = workplace
  const layout = createLayout(place('layout'))
  const image = layout.addImage({ layers: [fileLayer('signed', 'signed')] })
  await pushLayout(client, 'team/signed', '1', layout.folder, image.digest)
  const config = place('docker')
  writeFileSync(join(config, 'config.json'), dockerConfigOf(server.host, ALICE))
  const options = { env: { COSIGN_PASSWORD: 'of a test', DOCKER_CONFIG: config }, cwd: place('keys') }
  await run('cosign', ['generate-key-pair'], options)
  const at = `${server.host}/team/signed@${image.digest}`
  const plain = ['--tlog-upload=false', '--use-signing-config=false', '--allow-http-registry']
  const sign = ['sign', '--yes', '--key', 'cosign.key', ...plain, at]
  const anonymous = { ...options, env: { ...options.env, DOCKER_CONFIG: place('nobody') }, mayFail: true }
  assert.notEqual((await run('cosign', sign, anonymous)).code, 0, 'an anonymous signature')
  await run('cosign', sign, options)
  const verify = ['verify', '--key', 'cosign.pub', '--insecure-ignore-tlog=true', '--allow-http-registry', at]
  const checked = await run('cosign', verify, options)
  assert.ok((checked.stdout + checked.stderr).includes('were verified'), checked.stderr)
})

test('oras signs in', { skip: skipUnless('oras'), timeout: 120_000 }, async (context) => {
  const { client, run, place, server } = await createAccessWorkplace(context, 'oras', {
    newer: newer('oras'),
  })
  const work = place('work')
  writeFileSync(join(work, 'a.txt'), 'of oras')
  const here = { cwd: work }
  const target = `${server.host}/team/oras:1`
  const push = ['push', '--plain-http', target, 'a.txt:text/plain']
  assert.notEqual((await run('oras', push, { ...here, mayFail: true })).code, 0, 'an anonymous push')
  const login = ['login', '--plain-http', '-u', 'alice', '--password-stdin', server.host]
  assert.notEqual((await run('oras', login, { input: 'wrong', mayFail: true })).code, 0, 'a wrong password')
  await run('oras', login, { input: ALICE.password })
  await run('oras', push, here)
  await digestsServed(client, 'team/oras', '1')
  await run('oras', ['cp', '--from-plain-http', '--to-plain-http', target, `${server.host}/alice/oras:1`])
  await digestsServed(client, 'alice/oras', '1')
})
