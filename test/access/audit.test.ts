/** The record of who did what: what is in it, beside a running registry, and what never is. */
import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { command as access } from '../../src/cli/access.ts'
import { command as audit } from '../../src/cli/audit.ts'
import { command as gc } from '../../src/cli/gc.ts'
import { command as group } from '../../src/cli/group.ts'
import { command as robot } from '../../src/cli/robot.ts'
import { command as tag } from '../../src/cli/tag.ts'
import { command as token } from '../../src/cli/token.ts'
import { command as user } from '../../src/cli/user.ts'
import type { Command } from '../../src/cli/command.ts'
import { blobOf, imageOf, indexOf } from '../lib/content.ts'
import { basicOf, startSubject, type Subject } from './subject.ts'

type Entry = Record<string, unknown>

async function run(command: Command, { folder }: Subject, ...args: string[]) {
  const stdout = new PassThrough()
  const stderr = new PassThrough()
  const read = Promise.all([text(stdout), text(stderr)])
  const io = { env: { REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: folder }, stdout, stderr }
  const code = await command.run(args, io)
  stdout.end()
  stderr.end()
  const [out, err] = await read
  return { code, out, err }
}

const MARKER = 'marker'

/** Until what happened before is written: what is refused now is written after it. */
async function settled(subject: Subject): Promise<void> {
  const marker = `${MARKER}-${(markers += 1)}`
  await subject.ask('GET /v2/', { headers: { authorization: basicOf(marker, 'x') } })
  for (let tries = 0; tries < 200; tries++) {
    if ((await run(audit, subject, '--json', '--who', marker)).out !== '') return
    await wait(50)
  }
  assert.fail('nothing is written')
}
let markers = 0

/** What the command says of everything that happened until now. */
async function recorded(subject: Subject, ...args: string[]): Promise<Entry[]> {
  await settled(subject)
  return shown(subject, ...args)
}

async function shown(subject: Subject, ...args: string[]): Promise<Entry[]> {
  const { code, out, err } = await run(audit, subject, '--json', '--limit', '0', ...args)
  assert.deepEqual([code, err.replace('Nothing that was recorded fits.\n', '')], [0, ''])
  return out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Entry)
    .filter(({ by }) => !String(by).startsWith(MARKER))
}

const shortOf = ({ act, outcome, by, target, times }: Entry): string =>
  [act, outcome, by, target, ...(times === 1 ? [] : [`×${String(times)}`])].join(' ')

async function pushTo({ client }: Subject, repository: string, reference: string): Promise<string> {
  const [config, layer] = [blobOf('config', 300), blobOf('layer', 500)]
  for (const blob of [config, layer]) await client.pushBlob(repository, blob, 'post')
  const image = imageOf(config, [layer])
  assert.equal((await client.putManifest(repository, reference, image)).status, 201)
  return image.digest
}

test('who did what, in order, with no secret in it', async (t: TestContext) => {
  const subject = await startSubject(t)
  const { ask, basic, client, bearer } = subject
  const outsider = { authorization: basic('outsider') }
  assert.equal((await ask('GET /v2/')).status, 401)
  for (let i = 0; i < 4; i++)
    assert.equal(
      (await ask('GET /v2/', { headers: { authorization: basicOf('reader', 'canary-wrong') } })).status,
      401,
    )
  const digest = await pushTo(subject, 'private/app', 'v1')
  const refused = { headers: outsider, body: indexOf([]).bytes }
  for (let i = 0; i < 3; i++)
    assert.equal((await ask('PUT /v2/private/app/manifests/v1', refused)).status, 403)
  assert.equal((await ask(`GET /v2/private/app/blobs/${digest}`, { headers: outsider })).status, 403)
  const bearerToken = await bearer(basic('reader'), ['repository:private/app:pull'])
  assert.equal(
    (await ask('GET /v2/private/app/manifests/v1', { headers: { authorization: bearerToken } })).status,
    200,
  )
  const forged = { authorization: 'Bearer canary.forged.token' }
  assert.equal((await ask('GET /v2/', { headers: forged })).status, 401)
  assert.equal((await client.deleteManifest('private/app', 'v1')).status, 202)
  // The server writes a moment behind its answers, the command at once.
  await settled(subject)
  const restored = await run(tag, subject, 'restore', 'private/app:v1')
  assert.deepEqual([restored.code, restored.err], [0, ''])

  const entries = await recorded(subject)
  const operator = String(entries.at(-1)?.['by'])
  assert.match(operator, /\(command line\)$/)
  assert.deepEqual(entries.map(shortOf), [
    'sign-in refused reader user:reader ×4',
    'sign-in done administrator user:administrator',
    'push done administrator private/app:v1',
    'sign-in done outsider user:outsider',
    'push refused outsider private/app:v1 ×3',
    `pull refused outsider private/app@${digest}`,
    'sign-in done reader user:reader',
    'token done reader repository:private/app:pull',
    'token refused  registry',
    'delete done administrator private/app:v1',
    `restore done ${operator} private/app:v1`,
  ])
  const push = entries[2] as Entry
  assert.equal(push['address'], '127.0.0.1')
  assert.deepEqual(push['detail'], { digest })
  assert.match(String(push['requestId']), /^[\w-]{8,}$/)
  const everything = JSON.stringify(entries)
  for (const secret of ['canary', 'the password of', bearerToken.slice(7)])
    assert.ok(!everything.includes(secret), secret)
  assert.deepEqual((await recorded(subject, '--who', 'outsider', '--outcome', 'refused')).length, 2)
  assert.deepEqual((await recorded(subject, '--what', 'private/app', '--act', 'push,delete')).length, 3)
  assert.deepEqual((await recorded(subject, '--until', '1h')).length, 0)
})

test('what commands change is recorded, as whom they act for', async (t) => {
  const subject = await startSubject(t)
  const commands: [Command, string[]][] = [
    [user, ['add', 'alice', '--generate']],
    [user, ['admin', 'alice']],
    [user, ['disable', 'alice']],
    [group, ['add', 'devs']],
    [group, ['join', 'devs', 'alice']],
    [group, ['join', 'devs', 'alice']],
    [group, ['leave', 'devs', 'alice']],
    [group, ['remove', 'devs']],
    [robot, ['add', 'ci', '--may', 'team/**:pull']],
    [robot, ['disable', 'ci']],
    [token, ['add', '--user', 'alice']],
    [access, ['set', 'team/**', 'signed-in=pull']],
    [access, ['remove', 'team/**']],
    [user, ['remove', 'alice']],
    [gc, ['--now']],
  ]
  const secrets: string[] = []
  for (const [command, args] of commands) {
    const { code, out, err } = await run(command, subject, ...args)
    assert.equal(code, 0, `${args.join(' ')}: ${err}`)
    secrets.push(...out.split('\n').filter((line) => /^\S{12,}$/.test(line)))
  }
  assert.ok(secrets.length >= 3)
  const entries = await recorded(subject, '--act', 'user,group,robot,secret,rule,collect')
  assert.deepEqual(
    entries.map(({ client, act, target }) => [client, act, target]),
    [
      ['berth user add', 'user', 'user:alice'],
      ['berth user admin', 'user', 'user:alice'],
      ['berth user disable', 'user', 'user:alice'],
      ['berth group add', 'group', 'group:devs'],
      ['berth group join', 'group', 'group:devs'],
      ['berth group leave', 'group', 'group:devs'],
      ['berth group remove', 'group', 'group:devs'],
      ['berth robot add', 'robot', 'robot:ci'],
      ['berth robot add', 'secret', 'robot:ci'],
      ['berth robot disable', 'robot', 'robot:ci'],
      ['berth token add', 'secret', 'user:alice'],
      ['berth access set', 'rule', 'team/**'],
      ['berth access remove', 'rule', 'team/**'],
      ['berth user remove', 'user', 'user:alice'],
      ['berth gc', 'collect', 'garbage'],
    ],
  )
  assert.ok(entries.every(({ by }) => String(by).endsWith(' (command line)')))
  for (const secret of secrets) assert.ok(!JSON.stringify(entries).includes(secret))
})

test('names from outside draw nothing on a terminal, and break no line', async (t) => {
  const subject = await startSubject(t)
  const name = 'a\u202e\u2028\u009bb'
  const headers = { authorization: basicOf(name, 'x'), 'user-agent': 'x\tINJECTED "quoted"' }
  assert.equal((await subject.ask('GET /v2/', { headers })).status, 401)
  await settled(subject)
  const { out } = await run(audit, subject, '--wide')
  assert.equal(out.split('\n').length, 4)
  assert.match(out, / a\?\?\?b +sign-in refused .* user:a\?\?\?b$/m)
  const json = await run(audit, subject, '--json', '--who', name)
  assert.match(json.out, /^[ -~]+\n$/)
  assert.equal((JSON.parse(json.out) as Entry)['by'], name)
})

test('it can be followed', async (t) => {
  const subject = await startSubject(t)
  await pushTo(subject, 'private/app', 'before')
  await settled(subject)
  const stdout = new PassThrough()
  const stderr = new PassThrough()
  let said = ''
  stdout.setEncoding('utf8').on('data', (piece: string) => (said += piece))
  const io = { env: { REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: subject.folder }, stdout, stderr }
  const following = audit.run(['--follow', '--act', 'push,delete'], io)
  const until = async (pattern: RegExp): Promise<void> => {
    for (let tries = 0; !pattern.test(said); tries++) {
      assert.ok(tries < 100, `${String(pattern)} in ${said}`)
      await wait(50)
    }
  }
  await until(/private\/app:before\n/)
  await pushTo(subject, 'private/app', 'after')
  await until(/private\/app:after\n/)
  process.emit('SIGINT')
  assert.equal(await following, 0)
  assert.equal(said.match(/private\/app:/g)?.length, 2, 'each once')
})

test('switched off, nothing is kept', async (t) => {
  const subject = await startSubject(t, { REGISTRY_AUDIT_ENABLED: 'false' })
  await pushTo(subject, 'private/app', 'v1')
  // Longer than anything waits until it is written.
  await wait(250)
  assert.deepEqual(await shown(subject), [])
})
