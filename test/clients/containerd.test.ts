/** containerd by its own tool: pull, push, run, and as a mirror of another registry's name (`?ns=`). */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterwards } from '../lib/temporary.ts'
import { busyboxLayer, createLayout, fileLayer, randomLayer } from './layout.ts'
import {
  ALL_CLIENTS,
  assertServesLayout,
  clientPath,
  createWorkplace,
  missingClients,
  needsRoot,
  NOT_ALL,
  pushLayout,
  type Ran,
  type Workplace,
} from './workplace.ts'

const newer = missingClients(['containerd', 'ctr'], 'newer') === false
const skip = !ALL_CLIENTS ? NOT_ALL : missingClients(['containerd', 'ctr', 'runc'], 'optional') || needsRoot()

type Ctr = (args: string[]) => Promise<Ran>

async function startContainerd(context: TestContext, workplace: Workplace): Promise<Ctr> {
  const folder = workplace.place('containerd')
  const socket = join(folder, 'sock')
  const configuration = join(folder, 'config.toml')
  const lines = [
    'version = 2',
    `root = "${folder}/root"`,
    `state = "${folder}/state"`,
    'disabled_plugins = ["io.containerd.grpc.v1.cri"]',
    '[grpc]',
    `address = "${socket}"`,
  ]
  writeFileSync(configuration, `${lines.join('\n')}\n`)
  const log = openSync(join(folder, 'log'), 'a')
  const program = clientPath('containerd', newer) ?? 'containerd'
  const path = `${join(program, '..')}:/usr/bin:/usr/sbin:/bin:/sbin`
  const daemon = spawn(program, ['-c', configuration], {
    stdio: ['ignore', log, log],
    env: { ...process.env, PATH: path },
  })
  const ended = new Promise<void>((resolve) => daemon.once('exit', () => resolve()))
  afterwards(context, async () => {
    daemon.kill('SIGTERM')
    await ended
  })
  const tool = clientPath('ctr', newer) ?? 'ctr'
  const ctr: Ctr = (args) => workplace.run(tool, ['-a', socket, ...args])
  for (let attempt = 0; ; attempt += 1) {
    try {
      await ctr(['version'])
      return ctr
    } catch (error) {
      if (attempt === 100 || daemon.exitCode !== null)
        throw new Error(readFileSync(join(folder, 'log'), 'utf8').slice(-2000), { cause: error })
      await sleep(100)
    }
  }
}

test('containerd pulls, runs, pushes, and asks a mirror', { skip, timeout: 240_000 }, async (context) => {
  const workplace = await createWorkplace(context, 'containerd')
  const { client, server, place } = workplace
  const ctr = await startContainerd(context, workplace)
  const layout = createLayout(place('layout'))
  const busybox = busyboxLayer(clientPath('busybox') ?? '')
  const images = ['amd64', 'arm64'].map((architecture) =>
    layout.addImage({
      architecture,
      layers: [busybox, fileLayer('arch', architecture), randomLayer('containerd', 20_000_000)],
      command: ['/bin/cat', '/arch'],
    }),
  )
  const index = layout.addIndex(images)
  await pushLayout(client, 'library/tool', '1', layout.folder, index.digest)
  const image = `${server.host}/library/tool:1`

  await context.test('pulls all platforms and runs its own', async () => {
    await ctr(['images', 'pull', '--plain-http', '--all-platforms', image])
    const listed = await ctr(['images', 'ls', `name==${image}`])
    assert.ok(listed.stdout.includes(index.digest), listed.stdout)
    const ran = await ctr(['run', '--rm', '--net-host', image, 'one'])
    assert.equal(ran.stdout.trim(), process.arch === 'x64' ? 'amd64' : process.arch)
  })
  await context.test('pushes what it pulled, byte for byte', async () => {
    const target = `${server.host}/pushed/tool:1`
    await ctr(['images', 'tag', image, target])
    await ctr(['images', 'push', '--plain-http', target])
    await assertServesLayout(client, 'pushed/tool', '1', layout.folder, index.digest)
  })
  await context.test('asks it as a mirror, with `ns`', async () => {
    const hosts = place('hosts/registry.example')
    const lines = [
      'server = "https://registry.example"',
      `[host."http://${server.host}"]`,
      '  capabilities = ["pull", "resolve"]',
    ]
    writeFileSync(join(hosts, 'hosts.toml'), `${lines.join('\n')}\n`)
    const mirrored = 'registry.example/library/tool:1'
    await ctr(['images', 'pull', '--hosts-dir', place('hosts'), mirrored])
    const listed = await ctr(['images', 'ls', `name==${mirrored}`])
    assert.ok(listed.stdout.includes(index.digest), listed.stdout)
  })
})
