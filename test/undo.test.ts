/** History and undo by command, beside a running registry and without one: the next request sees it. */
import assert from 'node:assert/strict'
import { userInfo } from 'node:os'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { command as gc } from '../src/cli/gc.ts'
import { command as tag } from '../src/cli/tag.ts'
import { command as trash } from '../src/cli/trash.ts'
import { blobOf, descriptorOf, imageOf, indexOf, type Manifest } from './lib/content.ts'
import { createRegistryClient, type RegistryClient } from './lib/registry-client.ts'
import { startServer } from './lib/start-server.ts'
import { afterwards, temporaryFolder } from './lib/temporary.ts'

const COMMANDS = { tag, trash, gc }
const ME = `${userInfo().username} (command line)`
type Said = { code: number; out: string; err: string }

function createRunner(root: string, env: NodeJS.ProcessEnv = {}) {
  return async (name: keyof typeof COMMANDS, ...args: string[]): Promise<Said> => {
    const stdout = new PassThrough()
    const stderr = new PassThrough()
    const read = Promise.all([text(stdout), text(stderr)])
    const io = { env: { REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: root, ...env }, stdout, stderr }
    const code = await COMMANDS[name].run(args, io)
    stdout.end()
    stderr.end()
    const [out, err] = await read
    return { code, out, err }
  }
}

async function push(
  client: RegistryClient,
  repository: string,
  seed: string,
  tags: string[],
): Promise<Manifest> {
  const config = blobOf(`${seed} config`, 300)
  const layer = blobOf(`${seed} layer`, 5000)
  for (const blob of [config, layer])
    assert.equal((await client.pushBlob(repository, blob, 'post')).status, 201)
  const manifest = imageOf(config, [layer])
  for (const name of [manifest.digest, ...tags])
    assert.equal((await client.putManifest(repository, name, manifest)).status, 201)
  return manifest
}

const statusOf = async (client: RegistryClient, repository: string, reference: string): Promise<number> =>
  (await client.getManifest(repository, reference)).status

async function served(t: import('node:test').TestContext, env: Record<string, string> = {}) {
  const root = temporaryFolder(t, 'undo')
  const server = await startServer({ root, env })
  const client = createRegistryClient(server.url)
  afterwards(t, () => server.kill())
  afterwards(t, () => client.close())
  return { root, server, client, run: createRunner(root) }
}

test('beside a running registry: a tag moved, deleted, brought back and moved back', async (t) => {
  const { client, run, server } = await served(t)
  const one = await push(client, 'team/app', 'one', ['v1', 'v2'])
  const two = await push(client, 'team/app', 'two', ['v1'])
  assert.equal((await client.deleteManifest('team/app', 'v1')).status, 202)
  assert.equal(await statusOf(client, 'team/app', 'v1'), 404)
  const back = await run('tag', 'restore', 'team/app:v1')
  assert.deepEqual([back.code, back.err], [0, ''])
  assert.equal(
    back.out,
    `team/app:v1 points to ${two.digest} now. It was deleted.\nBack from the trash: 1 manifest.\n`,
  )
  // The same server, the very next request.
  assert.equal((await client.getManifest('team/app', 'v1')).headers['docker-content-digest'], two.digest)
  const older = await run('tag', 'restore', 'team/app:v1', '--to', one.digest.slice(7, 19))
  assert.equal(older.out, `team/app:v1 points to ${one.digest} now. It pointed to ${two.digest}.\n`)
  assert.equal((await client.getManifest('team/app', 'v1')).headers['docker-content-digest'], one.digest)
  assert.match(
    (await run('tag', 'restore', 'team/app:v1', '--to', one.digest)).out,
    /already: nothing was done/,
  )
  await server.stop()

  // And without it.
  const { code, out } = await run('tag', 'history', 'team/app:v1')
  assert.equal(code, 0)
  const lines = out.split('\n').slice(0, -1)
  const [a, b] = [one.digest.slice(7, 19), two.digest.slice(7, 19)]
  const time = String.raw`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`
  for (const [index, expected] of [
    String.raw`WHEN \(UTC.*\) +FROM +TO +BY +WHY`,
    String.raw`${time}  ${b}  ${a} +.* +restore, berth tag`,
    String.raw`${time}  - +${b} +.* +restore, berth tag`,
    String.raw`${time}  ${b}  deleted \(1\) +anonymous +api`,
    String.raw`${time}  ${a}  ${b} +anonymous +push`,
    String.raw`${time}  - +${a} +anonymous +push`,
  ].entries())
    assert.match(lines[index] ?? '', new RegExp(`^${expected}`))
  assert.equal(lines.length, 6)
  for (const line of lines) assert.ok(line.length <= 120, line)
  const json = JSON.parse(
    (await run('tag', 'history', 'team/app:v1', '--limit', '1', '--json')).out,
  ) as object[]
  const { at, ...rest } = json[0] as { at: string }
  assert.match(at, /^\d{4}-\d\d-\d\dT.*Z$/)
  assert.deepEqual(rest, {
    tag: 'v1',
    seq: 5,
    mediaType: one.mediaType,
    size: one.bytes.length,
    client: 'berth tag restore',
    requestId: '',
    cause: 'restore',
    from: { digest: two.digest, state: 'here' },
    to: { digest: one.digest, state: 'here' },
    by: ME,
    byId: 'command',
  })
  assert.equal(
    (JSON.parse((await run('tag', 'history', 'team/app', '--limit', '0', '--json')).out) as []).length,
    6,
  )
  assert.match((await run('tag', 'history', 'team/app')).out, /^WHEN \(UTC.*\) +TAG +FROM/)
  assert.ok((await run('tag', 'history', 'team/app:v1', '--wide')).out.includes(one.digest))
})

test('the trash: listed, restored whole, given up, and freed', async (t) => {
  const { client, run } = await served(t)
  const child = await push(client, 'app', 'child', [])
  const index = indexOf([descriptorOf(child)])
  for (const name of ['v', 'w', 'x', 'y', 'z']) await client.putManifest('app', name, index)
  assert.equal(
    (await run('trash', 'list')).out,
    'The trash is empty: nothing was deleted that could still be restored.\n',
  )
  assert.equal((await client.deleteManifest('app', index.digest)).status, 202)
  assert.equal((await client.deleteBlob('app', blobOf('child layer', 5000).digest)).status, 202)
  const other = await push(client, 'app', 'other', ['w'])

  const list = (await run('trash', 'list', 'app')).out.split('\n')
  assert.match(list[0] ?? '', /^ID +DELETED \(UTC.*\) +RESTORABLE UNTIL +FREES +BY +WHAT$/)
  assert.match(list[1] ?? '', /^2 .* ~0 B +anonymous +app@[0-9a-f]{12} \(blob\)$/)
  assert.match(list[2] ?? '', /^1 .* ~5\.\d KiB +anonymous +app@[0-9a-f]{12} \(tags v, x, y and 2 more\)$/)
  const [, first] = JSON.parse((await run('trash', 'list', '--json')).out) as Record<string, unknown>[]
  assert.deepEqual(
    [first?.['id'], first?.['kind'], first?.['digest'], first?.['tags'], first?.['tagsElsewhere']],
    [1, 'manifest', index.digest, ['v', 'x', 'y', 'z'], ['w']],
  )

  const restored = await run('trash', 'restore', `app@${index.digest}`)
  assert.equal(restored.code, 0)
  assert.equal(
    restored.out,
    `Restored manifest ${index.digest} in app (deletion 1).\nBack from the trash: 2 manifests and 1 blob.\n` +
      'Tags that point to it again: v, x, y, z.\nLeft alone, since they point elsewhere by now: w.\n' +
      `To point one back as well: berth tag restore app:w --to ${index.digest}\n`,
  )
  for (const [reference, digest] of [
    ['v', index.digest],
    ['z', index.digest],
    ['w', other.digest],
  ] as const)
    assert.equal((await client.getManifest('app', reference)).headers['docker-content-digest'], digest)
  assert.equal(await statusOf(client, 'app', child.digest), 200)
  assert.equal((await client.getBlob('app', blobOf('child layer', 5000).digest)).status, 200)
  assert.match((await run('trash', 'restore', '1')).err, /deletion 1 .* was restored already, on \d{4}-/)
  assert.equal((await run('trash', 'restore', '1')).code, 1)

  assert.equal((await client.deleteManifest('app', index.digest)).status, 202)
  const asked = await run('trash', 'empty', 'app')
  assert.equal(asked.code, 2)
  assert.match(
    asked.out,
    /1 deletion with 2 manifests can then no longer be restored\. That frees about 5\.\d KiB\.\n$/,
  )
  assert.match(asked.err, /nothing was done; nobody can be asked here, so say --yes/)
  const emptied = await run('trash', 'empty', '--yes')
  assert.equal(emptied.code, 0)
  // Its blobs were pushed just now: their lease is named, with its end.
  assert.match(
    emptied.out,
    /1 deletion given up\. .*\nKept for now, since a client was told that it is there:\n( {2}until \d{4}-.* (manifest|blob) app@sha256:.*\n)+$/,
  )
  assert.match(
    (await run('trash', 'restore', '3')).err,
    /cannot be restored: the trash was emptied on \d{4}-.*It has to be pushed again/,
  )
  assert.match(
    (await run('tag', 'restore', 'app:v')).err,
    /cannot point to sha256:.*It has to be pushed again/,
  )
  assert.equal((await run('trash', 'empty', '--yes')).out, 'The trash is empty: there is nothing to free.\n')
  assert.equal((await run('gc', '--now')).code, 0)
  assert.match((await run('tag', 'history', 'app:v')).out, new RegExp(`${index.digest.slice(7, 19)} gone`))
  assert.equal(await statusOf(client, 'app', 'w'), 200)
})

test('wrong use is refused before anything is opened, and what is not there is said', async (t) => {
  const { client, run, root } = await served(t)
  await push(client, 'app', 'one', ['v'])
  for (const [args, expected] of [
    [['tag'], 'say history or restore'],
    [['tag', 'undo'], 'what is "undo"? Say history or restore'],
    [['tag', 'history'], 'say which repository or tag'],
    [['tag', 'history', 'App'], 'is no name of a repository'],
    [['tag', 'history', 'app', 'b'], 'what is "b"?'],
    [['tag', 'history', 'app', '--limit', 'all'], '--limit takes a number'],
    [['tag', 'history', `app@sha256:${'0'.repeat(64)}`], 'a digest has no history'],
    [['tag', 'history', 'app', '--frob'], "Unknown option '--frob'"],
    [['tag', 'restore'], 'say which tag: REPOSITORY:TAG'],
    [['tag', 'restore', 'app'], 'say which tag: app:TAG'],
    [['tag', 'restore', 'app:v', '--to', 'w'], '--to takes a digest'],
    [['trash'], 'say list, restore or empty'],
    [['trash', 'frob'], 'what is "frob"? Say list, restore or empty'],
    [['trash', 'list', 'app:v'], 'is more than a repository: say app'],
    [['trash', 'restore'], 'say which deletion'],
    [['trash', 'restore', 'app'], 'is a whole repository'],
    [['trash', 'empty', 'App'], 'is no name of a repository'],
  ] as const) {
    const [name, ...rest] = args
    const { code, out, err } = await run(name, ...rest)
    assert.deepEqual([code, out], [2, ''], args.join(' '))
    assert.ok(err.includes(expected) && err.includes('--help'), err)
  }
  for (const [args, expected] of [
    [['tag', 'history', 'nobody'], 'there is no repository nobody'],
    [['tag', 'history', 'app:w'], 'app never had a tag w'],
    [['tag', 'restore', 'app:w'], 'app never had a tag w'],
    [['tag', 'restore', 'app:v'], 'there is nothing to go back to'],
    [['tag', 'restore', 'app:v', '--to', `sha256:${'0'.repeat(64)}`], 'never pointed to sha256:000'],
    [['tag', 'restore', 'app:v', '--to', '000000'], 'no digest in the history of app:v begins with 000000'],
    [['trash', 'list', 'nobody'], 'there is no repository nobody'],
    [['trash', 'restore', '7'], 'there is no deletion 7: see "berth trash list"'],
    [['trash', 'restore', 'app:v'], 'nothing that was deleted and could be restored is called app:v'],
    [['trash', 'empty', '7', '--yes'], 'there is no deletion 7 in the trash'],
  ] as const) {
    const [name, ...rest] = args
    const { code, out, err } = await run(name, ...rest)
    assert.deepEqual([code, out], [1, ''], args.join(' '))
    assert.ok(err.includes(expected), err)
  }
  const readOnly = createRunner(root, { REGISTRY_STORAGE_MAINTENANCE_READONLY: '{"enabled":true}' })
  for (const args of [
    ['tag', 'restore', 'app:v'],
    ['trash', 'restore', '1'],
    ['trash', 'empty', '--yes'],
  ] as const) {
    const [name, ...rest] = args
    const { code, err } = await readOnly(name, ...rest)
    assert.equal(code, 1)
    assert.match(err, /the registry is read-only \(storage\.maintenance\.readonly\).*Take that setting away/)
  }
  assert.equal((await readOnly('tag', 'history', 'app:v')).code, 0)
})
