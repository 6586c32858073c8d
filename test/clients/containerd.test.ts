/** containerd by its own tool: pull, push, run, and as a mirror of another registry's name (`?ns=`). */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { startContainerd } from './containerd-daemon.ts'
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
} from './workplace.ts'

const skip = !ALL_CLIENTS ? NOT_ALL : missingClients(['containerd', 'ctr', 'runc'], 'optional') || needsRoot()

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
