/** Rules while the registry runs: set by command, read again from the file, and explained by the program itself. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { command as access } from '../../src/cli/access.ts'
import { command as group } from '../../src/cli/group.ts'
import { command as robot } from '../../src/cli/robot.ts'
import { command as user } from '../../src/cli/user.ts'
import { startServer } from '../lib/start-server.ts'
import { afterwards, temporaryFolder } from '../lib/temporary.ts'

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname

const COMMANDS = { access, group, robot, user }

type Said = { code: number | null; out: string; err: string }
type Written = Record<string, unknown>

async function served(t: TestContext, access: Written, more: Written = {}) {
  const root = temporaryFolder(t, 'rules')
  const whole = (now: Written): Written => ({
    version: 0.1,
    log: { accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: root }, delete: { enabled: true } },
    http: { addr: '127.0.0.1:0' },
    access: now,
    ...more,
  })
  const server = await startServer({ root, config: whole(access) })
  afterwards(t, () => server.kill())
  const [, file = ''] = /configured by (\S+\.yml)/.exec(server.log()) ?? []
  assert.notEqual(file, '', server.log())
  return {
    server,
    file,
    write: (now: Written) => writeFileSync(file, JSON.stringify(whole(now), undefined, 1)),
    /** 404: they may, and nothing is there. 401: they may not. */
    status: async (repository: string) => {
      const response = await fetch(`${server.url}/v2/${repository}/manifests/latest`)
      await response.body?.cancel()
      return response.status
    },
    /** The program, as a shell runs it. */
    async program(...args: string[]): Promise<Said> {
      const child = spawn(process.execPath, [MAIN, ...args, '--config', file], {
        env: { PATH: process.env['PATH'] },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
      const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)])
      return { code: await ended, out, err }
    },
    /** The same in this process, which is faster. */
    async berth(...args: string[]): Promise<Said> {
      const stdout = new PassThrough()
      const stderr = new PassThrough()
      const read = Promise.all([text(stdout), text(stderr)])
      const [name = '', ...rest] = args
      const run = COMMANDS[name as keyof typeof COMMANDS].run
      const code = await run([...rest, '--config', file], { env: {}, stdout, stderr })
      stdout.end()
      stderr.end()
      const [out, err] = await read
      return { code, out, err }
    },
  }
}

async function until(condition: () => boolean | Promise<boolean>, log: () => string): Promise<void> {
  for (let tries = 0; !(await condition()); tries++) {
    if (tries > 200) assert.fail(`it did not happen; the log:\n${log()}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

test('a rule of the database holds with the next request, and so does its end', async (t) => {
  const { program: berth, status, server } = await served(t, { anonymous: ['pull'] })
  assert.match(
    server.log(),
    /rules decide who may do what .*where no rule matches, everybody may pull, and who signed in may also push and delete/,
  )
  assert.equal(await status('team/app'), 404)
  assert.deepEqual(await berth('access', 'set', 'team/**', 'group:devs=pull,push'), {
    code: 0,
    out: 'The rule for team/** is made now.\n',
    err:
      'Note: what everybody may (access.anonymous: pull) does not hold there: a rule decides alone. To keep it, say ' +
      'anonymous=pull too; anonymous= says that it is meant so.\n',
  })
  assert.equal(await status('team/app'), 401)
  assert.equal(await status('other'), 404)
  const changed = await berth('access', 'set', 'team/**', 'anonymous=pull', 'group:devs=')
  assert.equal(changed.out, 'The rule for team/** is another one now.\n')
  assert.equal(await status('team/app'), 404)
  await berth('access', 'set', 'team/vault', 'anonymous=')
  assert.equal(await status('team/vault'), 401)
  const listed = await berth('access', 'list')
  assert.equal(
    listed.out,
    [
      'PATTERN            WHO         MAY                 FROM',
      'team/vault         anonymous   nothing             database',
      'team/**            anonymous   pull                database',
      '                   group:devs  nothing',
      `(no rule matches)  anonymous   pull                ${/\S+\.yml:1$/m.exec(listed.out)?.[0]}`,
      '                   signed-in   pull, push, delete',
      '',
    ].join('\n'),
  )
  assert.equal((await berth('access', 'remove', 'team/vault')).out, 'The rule for team/vault is removed.\n')
  assert.equal(await status('team/vault'), 404)
})

test('what is wrong is said, and changes nothing', async (t) => {
  const { berth, file } = await served(t, { rules: [{ repositories: ['team/**'], allow: {} }] })
  const help = 'See "berth access --help".\n'
  const cases: [string[], number, string][] = [
    [
      ['set', 'team/**', 'user:eve=pull'],
      1,
      `berth access set: the rule for team/** stands in ${file}:1, and the file's rules hold: change it there.\n`,
    ],
    [
      ['remove', 'team/**'],
      1,
      `berth access remove: the rule for team/** stands in ${file}:1: take it away there.\n`,
    ],
    [
      ['remove', 'x'],
      1,
      'berth access remove: there is no rule for "x": "berth access list" shows those that there are.\n',
    ],
    [
      ['set', 'x'],
      2,
      `berth access set: say who may do what: WHO=ACTIONS; anonymous= is for nobody. ${help}`,
    ],
    [
      ['set', 'X', 'grup:a=pul'],
      2,
      `berth access set: the pattern "X" has "X": names of repositories are lower case; write x; "grup:a" names nobody: there is no kind "grup"; did you mean group:a?; "pul" is no action: there are pull, push, create, delete, admin. ${help}`,
    ],
    [
      ['set', 'x', 'user:a'],
      2,
      `berth access set: "user:a" says not what they may: write user:a=pull. ${help}`,
    ],
    [['set', 'x', 'user:a=pull', 'user:a=push'], 2, `berth access set: "user:a" stands twice. ${help}`],
    [
      ['explain', 'alice', 'fly', 'x'],
      2,
      `berth access explain: "fly" is no action: there are pull, push, create, delete, admin. ${help}`,
    ],
    [
      ['explain', 'group:x', 'pull', 'x'],
      2,
      `berth access explain: "group:x" is nobody in particular: say the name of a person, robot:NAME or anonymous. ${help}`,
    ],
    [
      ['explain', 'robot:ghost', 'pull', 'x'],
      1,
      'berth access explain: there is no robot "ghost": "berth robot list" shows them.\n',
    ],
  ]
  for (const [args, code, err] of cases)
    assert.deepEqual(await berth('access', ...args), { code, out: '', err }, args.join(' '))
})

test('explain says who decides, where that stands, and ends with 0 or 3', async (t) => {
  const { berth, program, file } = await served(t, {
    anonymous: ['pull'],
    administrators: ['group:ops'],
    groups: { devs: ['dana'], ops: ['olga'] },
    rules: [
      { repositories: ['team/**'], allow: { 'group:devs': ['pull', 'push'], 'user:ci': ['pull', 'create'] } },
    ],
  })
  await berth('access', 'set', '{user}/**', 'signed-in=pull,push')
  const unknown = (name: string) =>
    `  ${name} is no user of the database; this is how it is for one of htpasswd, LDAP or a certificate (groups of those: --group)\n`
  const cases: [string[], number, string][] = [
    [
      ['dana', 'push', 'team/app:1'],
      0,
      `yes: dana may push team/app:1\n  the rule for team/** decides, and it gives pull, push to group:devs (${file}:1)\n  groups of dana: devs\n${unknown('dana')}`,
    ],
    [
      ['eve', 'pull', 'team/app'],
      3,
      `no: eve may not pull team/app\n  the rule for team/** decides, and it gives nothing to eve (${file}:1)\n${unknown('eve')}`,
    ],
    [
      ['user:eve', 'push', 'eve/app'],
      0,
      `yes: eve may push eve/app\n  the rule for {user}/** decides, and it gives pull, push to signed-in (database)\n${unknown('eve')}`,
    ],
    [
      ['eve', 'push', 'x', '--group', 'ops'],
      0,
      `yes: eve may push x\n  eve is an administrator\n  groups of eve: ops\n${unknown('eve')}`,
    ],
    [
      ['anonymous', 'push', 'x'],
      3,
      `no: who did not sign in may not push x\n  no rule matches x, and the defaults give pull to anonymous (${file}:1)\n`,
    ],
    [
      ['ci', 'push', 'team/app:1'],
      0,
      `yes: ci may push team/app:1\n  the rule for team/** decides, and it gives pull, create to user:ci (${file}:1)\n${unknown('ci')}  this tag is not there yet; once it is, it may not be moved\n`,
    ],
    [
      ['ci', 'push', 'team/app'],
      3,
      `no: ci may not push team/app\n  the rule for team/** decides, and it gives pull, create to user:ci; new tags may be pushed, but none that is there may be moved (${file}:1)\n${unknown('ci')}`,
    ],
  ]
  for (const [args, code, out] of cases)
    assert.deepEqual(await berth('access', 'explain', ...args), { code, out, err: '' }, args.join(' '))
  const json = await program('access', 'explain', 'olga', 'admin', 'team/app', '--json')
  assert.deepEqual(JSON.parse(json.out), {
    ...{ who: 'user:olga', action: 'admin', repository: 'team/app', allowed: true, pattern: null },
    ...{ source: 'administrators', why: 'olga is an administrator', groups: ['ops'] },
    notes: [unknown('olga').trim()],
  })
})

test('explain knows the users, groups and robots of the database', async (t) => {
  const { berth } = await served(t, {
    rules: [{ repositories: ['team/**'], allow: { 'group:devs': ['pull'] } }],
  })
  const made = [
    ['user', 'add', 'dana', '--generate'],
    ['user', 'add', 'root', '--generate', '--admin'],
    ['group', 'add', 'devs'],
    ['robot', 'add', 'ci', '--may', 'other/**:pull,push'],
    ['group', 'join', 'devs', 'user:dana', 'robot:ci'],
  ]
  for (const command of made) {
    const { code, err } = await berth(...command)
    assert.equal(code, 0, `${command.join(' ')}: ${err}`)
  }
  const asked = async (...question: string[]) => {
    const { code, out } = await berth('access', 'explain', ...question)
    return [code, out.split('\n')[1]?.replace(/ \(\S+\.yml:\d+\)$/, '')]
  }
  const decides = '  the rule for team/** decides, and it gives'
  assert.deepEqual(await asked('dana', 'pull', 'team/app'), [0, `${decides} pull to group:devs`])
  assert.deepEqual(await asked('robot:ci', 'pull', 'team/app'), [0, `${decides} pull to group:devs`])
  assert.deepEqual(await asked('robot:ci', 'push', 'other/app'), [
    0,
    '  its own scopes give it pull, push there',
  ])
  assert.deepEqual(await asked('root', 'delete', 'team/app'), [0, '  root is an administrator'])
  const mistaken = await berth('access', 'set', 'x/**', 'user:ci=pull', 'user:dana=pull')
  assert.equal(mistaken.err, 'Note: ci is a robot, and user:ci means a person: write robot:ci.\n')
  assert.match(
    (await berth('access', 'explain', 'ci', 'pull', 'x/y')).out,
    /ci is a robot: .* say robot:ci\n/,
  )
  await berth('user', 'disable', 'dana')
  await berth('robot', 'disable', 'ci')
  assert.deepEqual(await asked('dana', 'pull', 'team/app'), [
    3,
    `  dana is disabled and cannot sign in; else: ${decides.trim()} pull to group:devs`,
  ])
  assert.deepEqual(await asked('robot:ci', 'push', 'other/app'), [
    3,
    '  ci is disabled and cannot sign in; else: its own scopes give it pull, push there',
  ])
})

test('a changed file is taken over; a wrong one is told with its lines, and the rules that ran go on', async (t) => {
  const { server, status, write, file } = await served(t, { anonymous: ['pull'] })
  assert.equal(await status('team/app'), 404)
  write({ anonymous: ['pull'], rules: [{ repositories: ['team/**'], allow: {} }] })
  await until(async () => (await status('team/app')) === 401, server.log)

  write({ anonymous: ['pul'], rules: [{ repositories: ['Team/**'], allow: { 'grup:x': ['pull'] } }] })
  process.kill(server.pid, 'SIGHUP')
  await until(() => server.log().includes('did you mean group:x?'), server.log)
  const log = server.log().replaceAll('\\"', '"')
  for (const line of [
    'the configuration changed and is wrong: nothing of it is taken over, the rules that ran go on',
    'access.anonymous[0]: must be one of pull, push, create, delete, admin, not "pul"',
    'access.rules[0].repositories[0]: the pattern "Team/**" has "Team"',
  ])
    assert.ok(log.includes(line), log)
  assert.match(log, new RegExp(`${file.replaceAll('.', '\\.')}:\\d+: access\\.anonymous`))
  assert.equal(await status('team/app'), 401)
  assert.equal(await status('other'), 404)

  write({ anonymous: [], rules: [{ repositories: ['team/**'], allow: { anonymous: ['pull'] } }] })
  process.kill(server.pid, 'SIGHUP')
  await until(async () => (await status('team/app')) === 404, server.log)
  assert.equal(await status('other'), 401)
})
