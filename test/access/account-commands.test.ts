/** Users, groups, robots and tokens by command, beside a registry that runs: what is said, and what holds at once. */
import { basicHeader } from '../lib/basic-header.ts'
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startServer } from '../lib/start-server.ts'

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

type Ran = { code: number; out: string; err: string }

function worldOf(t: TestContext, access: Record<string, unknown> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'berth-accounts-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const root = join(folder, 'data')
  const config = {
    version: 0.1,
    log: { level: 'info', formatter: 'json', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: root }, delete: { enabled: true } },
    http: { addr: '127.0.0.1:0' },
    access: {
      rules: [{ repositories: ['team/**'], allow: { 'group:devs': ['pull'] } }],
      'signed-in': [],
      ...access,
    },
  }
  const file = join(folder, 'config.yml')
  writeFileSync(file, JSON.stringify(config))
  const all: string[] = []
  return {
    folder,
    root,
    config,
    /** All that was ever written by commands. */
    all,
    async run(args: readonly string[], input = ''): Promise<Ran> {
      const child = spawn(process.execPath, [MAIN, ...args], {
        env: { PATH: process.env['PATH'], REGISTRY_CONFIGURATION_PATH: file },
        stdio: ['pipe', 'pipe', 'pipe'],
      })
      child.stdin.on('error', () => undefined)
      child.stdin.end(input)
      const [out, err] = [text(child.stdout), text(child.stderr)]
      const [code] = (await once(child, 'close')) as [number]
      const ran = { code, out: await out, err: await err }
      all.push(ran.out, ran.err)
      return ran
    },
    async start(t: TestContext) {
      const server = await startServer({ root, config })
      t.after(() => server.stop())
      return {
        ...server,
        async ask(name: string, password: string, path = '/v2/'): Promise<number> {
          const Authorization = basicHeader(`${name}:${password}`)
          const response = await fetch(`${server.url}${path}`, { headers: { Authorization } })
          await response.arrayBuffer()
          return response.status
        },
      }
    },
  }
}

const ok = (ran: Ran): Ran => {
  assert.equal(ran.code, 0, ran.err)
  return ran
}

test('the first start makes an administrator and prints a random password once, past the log', async (t) => {
  const world = worldOf(t)
  const server = await world.start(t)
  const [, password = ''] = /^ {4}name {6}admin\n {4}password {2}(\w{24})$/m.exec(server.log()) ?? []
  assert.notEqual(password, '', server.log())
  assert.equal(server.log().split(password).length, 2, 'once')
  assert.equal(await server.ask('admin', password), 200)
  assert.equal(await server.ask('admin', `${password}x`), 401)
  await server.stop()
  const db = new DatabaseSync(join(world.root, 'berth/metadata.db'))
  const [row] = db.prepare('SELECT last_used_at - created_at AS after FROM users').all()
  db.close()
  assert.ok(Number(row?.['after']) > 0, 'when it was used is written at the end at last')
  const again = await world.start(t)
  assert.doesNotMatch(again.log(), /password/)
  assert.equal(await again.ask('admin', password), 200)
})

test('an administrator of the configuration has its password, which is in no output', async (t) => {
  const world = worldOf(t, { administrator: { name: 'root', password: 'canary-1-password' } })
  const server = await world.start(t)
  assert.equal(await server.ask('root', 'canary-1-password'), 200)
  assert.doesNotMatch(server.log(), /canary/)
  assert.match(server.log(), /made the first administrator, root/)
})

test('what a command changes holds with the next request, in a registry that runs', async (t) => {
  const world = worldOf(t, { administrator: { name: 'root', password: 'password of root' } })
  const { run } = world
  const server = await world.start(t)
  const secretsSeen: string[] = []
  const given = async (args: readonly string[]): Promise<string> => {
    const { out } = ok(await run(args))
    assert.match(out, /^\S+\n$/, 'the secret, alone')
    secretsSeen.push(out.trim())
    return out.trim()
  }
  // Looked for before it is there.
  assert.equal(await server.ask('alice', 'first password'), 401)
  ok(await run(['user', 'add', 'alice', '--password-stdin'], 'first password\nwhat follows is left alone\n'))
  assert.equal(await server.ask('alice', 'first password'), 200)
  const generated = await given(['user', 'passwd', 'alice', '--generate'])
  assert.equal(await server.ask('alice', 'first password'), 401)
  assert.equal(await server.ask('alice', generated), 200)

  assert.equal(await server.ask('alice', generated, '/v2/team/app/tags/list'), 403)
  ok(await run(['group', 'add', 'devs', '--description', 'who writes']))
  ok(await run(['group', 'join', 'devs', 'alice']))
  assert.equal(await server.ask('alice', generated, '/v2/team/app/tags/list'), 404)

  const token = await given(['token', 'add', '--user', 'alice', '--may', 'other/**:pull', '--name', 'laptop'])
  assert.match(token, /^berth_pat_\w{46}$/)
  assert.equal(await server.ask('alice', token), 200)
  assert.equal(await server.ask('alice', token, '/v2/team/app/tags/list'), 403)
  assert.equal(await server.ask('root', token), 401)

  const robot = ['robot', 'add', 'ci', '--may', 'team/**:pull,push', '--expires', '90d']
  const first = await given(robot)
  assert.match(first, /^berth_robot_\w{46}$/)
  const second = await given(['robot', 'secret', 'add', 'ci', '--name', 'new'])
  for (const secret of [first, second])
    assert.equal(await server.ask('ci', secret, '/v2/team/app/tags/list'), 404)
  assert.equal(await server.ask('ci', second, '/v2/other/tags/list'), 403)
  const shown = JSON.parse(ok(await run(['robot', 'show', 'ci', '--json'])).out) as {
    secrets: { id: number; state: string; begins: string }[]
  }
  assert.deepEqual(
    shown.secrets.map(({ state, begins }) => [state, begins]),
    [first, second].map((secret) => ['good', secret.slice(0, 16)]),
  )
  ok(await run(['robot', 'secret', 'revoke', 'ci', String(shown.secrets[0]?.id)]))
  assert.equal(await server.ask('ci', first), 401)
  assert.equal(await server.ask('ci', second), 200)
  ok(await run(['robot', 'disable', 'ci']))
  assert.equal(await server.ask('ci', second), 401)
  ok(await run(['robot', 'enable', 'ci']))
  assert.equal(await server.ask('ci', second), 200)

  ok(await run(['user', 'disable', 'alice']))
  for (const password of [generated, token]) assert.equal(await server.ask('alice', password), 401)
  ok(await run(['user', 'enable', 'alice']))
  for (const password of [generated, token]) assert.equal(await server.ask('alice', password), 200)
  const tokens = JSON.parse(ok(await run(['token', 'list', '--user', 'alice', '--json'])).out) as {
    id: number
  }[]
  ok(await run(['token', 'revoke', String(tokens[0]?.id)]))
  assert.equal(await server.ask('alice', token), 401)
  // All at once, as after a break-in; the password stays.
  const more = await given(['token', 'add', '--user', 'alice'])
  assert.equal(await server.ask('alice', more), 200)
  assert.match(ok(await run(['token', 'revoke', '--user', 'alice', '--all'])).out, /^Revoked 1 of alice/)
  assert.deepEqual([await server.ask('alice', more), await server.ask('alice', generated)], [401, 200])
  ok(await run(['user', 'admin', 'alice']))
  assert.equal(await server.ask('alice', generated, '/v2/secret/tags/list'), 404)
  ok(await run(['user', 'admin', 'alice', '--off']))
  assert.equal(await server.ask('alice', generated, '/v2/secret/tags/list'), 403)

  const lists = [
    'user list',
    'user show alice',
    'group list',
    'group show devs',
    'robot list',
    'robot show ci',
  ]
  const others = ['token list --user alice', 'user list --json', 'group show devs --json']
  for (const ran of await Promise.all([...lists, ...others].map((list) => run(list.split(' '))))) ok(ran)
  ok(await run(['user', 'remove', 'alice']))
  assert.equal(await server.ask('alice', generated), 401)
  ok(await run(['robot', 'remove', 'ci']))
  assert.equal(await server.ask('ci', second), 401)
  await server.stop()
  assertNoSecrets(world.root, [...world.all, server.log()], secretsSeen)
})

/** Each secret was printed once, by the command that made it; no hash was printed at all; and none is in the files. */
function assertNoSecrets(root: string, outputs: readonly string[], secrets: readonly string[]): void {
  const printed = outputs.join('')
  for (const secret of secrets) assert.equal(printed.split(secret).length, 2)
  assert.doesNotMatch(printed, /first password|password of root|argon2|\$2[aby]\$|[0-9a-f]{64}/)
  const db = new DatabaseSync(join(root, 'berth/metadata.db'))
  const hashes = db.prepare('SELECT hex(hash) AS hash FROM secrets').all() as { hash: string }[]
  db.close()
  for (const { hash } of hashes) assert.ok(!printed.toLowerCase().includes(hash.toLowerCase()))
  const files = readdirSync(join(root, 'berth'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
  for (const path of files) {
    const bytes = readFileSync(path)
    for (const secret of [...secrets, 'first password', 'password of root'])
      assert.equal(bytes.indexOf(secret), -1, `${path} has a secret`)
  }
}

const WRONG: [string[], number, RegExp][] = [
  [['user'], 2, /say add, passwd, list, show, disable, enable, remove or admin/],
  [['user', 'add'], 2, /say what the user is called/],
  [['user', 'add', 'Alice', '--generate'], 2, /the name of a user has 1 to 128 lower-case letters/],
  [['user', 'add', 'alice', 'password'], 2, /what is "password"\?/],
  [['user', 'add', 'alice', '--password', 'x'], 2, /Unknown option '--password'/],
  [['user', 'add', 'alice'], 2, /no terminal to ask.*--password-stdin or --generate/],
  [['user', 'add', 'alice', '--generate', '--password-stdin'], 2, /say either/],
  [['user', 'add', 'alice', '--password-stdin'], 1, /the password must have at least 8 characters/],
  [['user', 'add', 'root', '--generate'], 1, /there is a user root already/],
  [['user', 'passwd', 'nobody', '--generate'], 1, /there is no user "nobody": "berth user list" shows them/],
  [['user', 'remove', 'nobody'], 1, /there is no user "nobody"/],
  [['group', 'add', 'a b'], 2, /the name of a group has/],
  [['group', 'join', 'none', 'root'], 1, /there is no group "none"/],
  [['group', 'join', 'none', 'group:x'], 2, /neither the name of a user nor robot:NAME/],
  [['robot', 'add', 'root', '--may', 'a:pull'], 1, /users and robots do not share names/],
  [['robot', 'add', 'ci', '--may', 'team/**'], 2, /does not say what is allowed: write it as team/],
  [['robot', 'add', 'ci', '--may', 'Team/**:pull'], 2, /write team/],
  [['robot', 'add', 'ci', '--may', 'a:fetch'], 2, /actions are pull, push, create, delete, admin/],
  [['robot', 'add', 'ci', '--may', '{user}/**:pull'], 2, /would never match/],
  [['robot', 'add', 'ci', '--expires', '2020-01-01'], 2, /is over already/],
  [['robot', 'add', 'ci', '--expires', 'soon'], 2, /takes 90d, 12h, a day/],
  [['robot', 'secret', 'revoke', 'ci', '1'], 1, /there is no robot "ci"/],
  [['robot', 'change', 'ci'], 2, /say what to change/],
  [['token', 'add'], 2, /--user NAME/],
  [['token', 'add', '--user', 'htpasswd:x'], 1, /the configuration has no auth.htpasswd/],
  [['token', 'revoke', '--all'], 2, /--user NAME --all/],
  [['token', 'revoke', '7', '--user', 'x'], 2, /--user NAME --all/],
  [['token', 'revoke', '7'], 1, /there is no personal token 7/],
  [['token', 'revoke', 'berth_pat_x'], 2, /say the number of the token/],
]

test('what cannot be done is said with what to do, and nothing is printed where a secret would be', async (t) => {
  const world = worldOf(t, { administrator: { name: 'root', password: 'password of root' } })
  const server = await world.start(t)
  await server.stop()
  await Promise.all(WRONG.slice(0, WRONG.length / 2).map((one) => refused(world, one)))
  await Promise.all(WRONG.slice(WRONG.length / 2).map((one) => refused(world, one)))
})

async function refused(
  { run }: ReturnType<typeof worldOf>,
  [args, code, message]: (typeof WRONG)[number],
): Promise<void> {
  const ran = await run(args, 'short\n')
  assert.deepEqual([ran.code, ran.out], [code, ''], args.join(' '))
  assert.match(ran.err, message)
}
