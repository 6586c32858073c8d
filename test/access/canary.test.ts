/**
 * Secrets that can be told from everything else are sent on every path there is, right and wrong ones, and then looked
 * for in all that the registry says and keeps: its log at level debug, the access log, metrics, health, the record, the
 * configuration that holds, answers, commands, and each byte of the data folder.
 */
import { basicHeader } from '../lib/basic-header.ts'
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createHttpClient, type Answer, type Ask } from '../lib/http-client.ts'
import { startServer } from '../lib/start-server.ts'
import { afterwards, temporaryFolder } from '../lib/temporary.ts'

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname
/** alice, by `htpasswd -B`. */
const HTPASSWD = 'alice:$2y$05$5IYcf8Cnq6f6yiSsCi6C/ubMCuL/8UK7b.bUez2RAcXdlS9PQmgbS\n'
const PASSWORD_OF_ALICE = 'of alice'

type Ran = { code: number; stdout: string; stderr: string }

/** A secret by what it is, in each form in which it could come out. */
function formsOf(secret: string, names: readonly string[]): string[] {
  const basic = names.map((name) => Buffer.from(`${name}:${secret}`).toString('base64'))
  return [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64'), ...basic]
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile())
}

test(
  '22: no secret is in anything that the registry says or keeps',
  { timeout: 180_000 },
  async (context) => {
    const root = temporaryFolder(context, 'canary')
    const data = join(root, 'data')
    const htpasswd = join(root, 'htpasswd')
    writeFileSync(htpasswd, HTPASSWD)
    const config = {
      version: 0.1,
      log: { level: 'debug', accesslog: { disabled: false } },
      storage: { filesystem: { rootdirectory: data }, delete: { enabled: true } },
      http: {
        addr: '127.0.0.1:0',
        secret: 'canary-http-secret',
        debug: { addr: '127.0.0.1:0', prometheus: { enabled: true } },
      },
      auth: {
        htpasswd: { realm: 'canary', path: htpasswd },
        // Nobody answers there: what a failure says is looked at as well.
        ldap: {
          url: 'ldap://127.0.0.1:1',
          binddn: 'cn=berth',
          bindpassword: 'canary-bind-password',
          userbase: 'ou=people',
          timeout: '500ms',
        },
      },
      access: {
        administrator: { password: 'canary-administrator-password' },
        rules: [{ repositories: ['team/**'], allow: { 'user:alice': ['pull', 'push'] } }],
      },
    }
    const file = join(root, 'config.yml')
    writeFileSync(file, JSON.stringify(config))
    const berth = (args: string[], input = ''): Promise<Ran> =>
      new Promise((resolve) => {
        const child = execFile(process.execPath, [MAIN, ...args, '-c', file], (error, stdout, stderr) =>
          resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
        )
        child.stdin?.end(input)
      })
    const server = await startServer({ root: data, config })
    afterwards(context, () => server.stop())
    const http = createHttpClient(server.url)
    afterwards(context, () => http.close())

    /** What is known to the client only: secret → the names it was sent with. */
    const secrets = new Map<string, string[]>()
    const outputs: [string, string | Buffer][] = []
    const keep = (what: string, text: string | Buffer): void => void outputs.push([what, text])
    const sent = (secret: string, ...names: string[]): string => {
      secrets.set(secret, [...(secrets.get(secret) ?? []), ...names])
      return secret
    }
    const ask = async (path: string, more: Ask & { isShown?: boolean } = {}): Promise<Answer> => {
      const answer = await http.ask(path, more)
      if (more.isShown !== true)
        keep(`${more.method ?? 'GET'} ${path}`, answer.body.toString() + JSON.stringify(answer.headers))
      return answer
    }
    const basic = (name: string, password: string): Record<string, string> => ({
      authorization: basicHeader(`${name}:${sent(password, name)}`),
    })
    const jsonOf = (answer: Answer): Record<string, unknown> => JSON.parse(answer.body.toString()) as never
    const api = (
      path: string,
      method: string,
      body: unknown,
      headers: Record<string, string>,
      isShown = false,
    ) =>
      ask(`/api/v1${path}`, {
        method,
        headers: { ...headers, 'content-type': 'application/json' },
        body: body === undefined ? undefined : Buffer.from(JSON.stringify(body)),
        isShown,
      })

    for (const one of ['canary-http-secret', 'canary-bind-password']) sent(one)
    const admin = basic('admin', 'canary-administrator-password')
    assert.equal((await ask('/v2/', { headers: admin })).status, 200)
    const alice = basic('alice', PASSWORD_OF_ALICE)
    secrets.delete(PASSWORD_OF_ALICE)
    assert.equal((await ask('/v2/team/app/tags/list', { headers: alice })).status, 404)

    // By commands.
    const added = await berth(
      ['user', 'add', 'carol', '--password-stdin'],
      `${sent('canary-of-carol', 'carol')}\n`,
    )
    assert.equal(added.code, 0, added.stderr)
    const robot = await berth(['robot', 'add', 'builder', '--may', 'team/**:pull,push'])
    const robotSecret = sent(robot.stdout.trim(), 'builder')
    assert.match(robotSecret, /^berth_robot_/)
    const personal = await berth(['token', 'add', '--user', 'carol'])
    const personalSecret = sent(personal.stdout.trim(), 'carol')
    assert.match(personalSecret, /^berth_pat_/)
    for (const ran of [added, robot, personal]) keep('what a command says beside a secret', ran.stderr)

    // By the API: another robot, a token, a session, another password.
    const made = await api(
      '/robots',
      'POST',
      { name: 'other', scopes: [{ repositories: 'team/**', actions: ['pull'] }] },
      admin,
      true,
    )
    assert.equal(made.status, 201, made.body.toString())
    sent((jsonOf(made)['secret'] as { secret: string }).secret, 'other')
    const carol = basic('carol', 'canary-of-carol')
    const token = await api('/tokens', 'POST', { name: 'of the API' }, carol, true)
    assert.equal(token.status, 201, token.body.toString())
    sent(jsonOf(token)['secret'] as string, 'carol')
    const session = await api('/sessions', 'POST', { name: 'carol', password: 'canary-of-carol' }, {}, true)
    assert.equal(session.status, 201, session.body.toString())
    const cookie = String(session.headers['set-cookie']).split(';')[0] as string
    sent(cookie.slice(cookie.indexOf('=') + 1))
    await ask('/api/v1/me', { headers: { cookie } })
    await api(
      '/me/password',
      'PUT',
      { current: 'canary-of-carol', new: sent('canary-the-next-one', 'carol') },
      carol,
      true,
    )
    await api('/users', 'POST', { name: 'dave', password: sent('canary-of-dave', 'dave') }, admin)
    await api('/users', 'POST', { name: 'No Such Name!', password: sent('canary-refused', 'x') }, admin)

    // Tokens of the token service, and what they are changed for.
    const offline = '/token?service=berth&offline_token=true&scope=repository:team/app:pull,push'
    const issued = jsonOf(
      await ask(offline, { headers: basic('builder', robotSecret), isShown: true }),
    ) as Record<string, string>
    sent(issued['token'] as string)
    const refresh = sent(issued['refresh_token'] as string)
    const form = (fields: Record<string, string>, isShown = false): Promise<Answer> =>
      ask('/token', {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: Buffer.from(new URLSearchParams(fields).toString()),
        isShown,
      })
    const refreshed = await form(
      { grant_type: 'refresh_token', service: 'berth', refresh_token: refresh },
      true,
    )
    assert.equal(refreshed.status, 200, refreshed.body.toString())
    sent((jsonOf(refreshed) as Record<string, string>)['access_token'] as string)
    const bearer = { authorization: `Bearer ${issued['token']}` }
    assert.equal((await ask('/v2/team/app/blobs/uploads/', { method: 'POST', headers: bearer })).status, 202)

    // Wrong ones, and right ones where they do not belong.
    const wrong = sent('canary-wrong-password', 'admin', 'alice', 'nobody')
    for (const name of ['admin', 'alice'])
      assert.equal((await ask('/v2/', { headers: basic(name, wrong) })).status, 401)
    assert.equal(
      (await ask('/v2/', { headers: basic('nobody', wrong) })).status,
      503,
      'the directory is away',
    )
    await form({ grant_type: 'password', username: 'admin', password: wrong })
    await form({ grant_type: 'refresh_token', refresh_token: sent(`berth_refresh_${'x'.repeat(46)}`) })
    await ask('/v2/', { headers: { authorization: `Basic ${sent('canary-not-base64!')}` } })
    await ask('/v2/', { headers: { authorization: `Bearer ${sent('canary.not.atoken')}` } })
    await ask('/v2/', { headers: { authorization: `Bearer ${personalSecret}` } })
    await ask('/v2/', { headers: { authorization: `Canary ${sent('canary-other-scheme')}` } })
    await ask(`/v2/team/app/tags/list?access_token=${sent('canary-in-query')}`, { headers: bearer })
    await ask(`/token?password=${sent('canary-in-token-query')}&scope=x`)
    await ask('/v2/', { headers: { ...admin, referer: `http://admin:${sent('canary-in-referer')}@host/` } })
    await api('/sessions', 'POST', { name: 'admin', password: wrong }, {})
    await api('/sessions', 'POST', { name: 'admin', password: 1, extra: sent('canary-extra') }, {})
    await ask('/api/v1/nothing', { headers: { cookie: `berth=${sent('canarycookie'.padEnd(43, 'x'))}` } })
    await ask('/nothing/at/all', { headers: admin })

    // All that it says.
    await sleep(600)
    const debug = /debug port: .* on (http:[^\s"]+)/.exec(server.log())?.[1] as string
    for (const path of ['/metrics', '/debug/health']) keep(path, await (await fetch(debug + path)).text())
    for (const path of [
      '/users',
      '/robots',
      '/tokens',
      '/rules',
      '/audit',
      '/sessions',
      '/system',
      '/groups',
    ])
      await api(path, 'GET', undefined, admin)
    for (const args of [
      ['config', 'show', file],
      ['audit', '--json'],
      ['audit'],
      ['user', 'list', '--json'],
      ['user', 'show', 'carol'],
      ['robot', 'list', '--json'],
      ['robot', 'show', 'builder'],
      ['token', 'list', '--user', 'carol', '--json'],
      ['access', 'list', '--json'],
    ]) {
      const ran = args[0] === 'config' ? await run(args) : await berth(args)
      keep(`berth ${args.join(' ')}`, ran.stdout + ran.stderr)
      assert.equal(ran.code, 0, `berth ${args.join(' ')}: ${ran.stderr}`)
    }
    keep('the command line', readFileSync(`/proc/${server.pid}/cmdline`))
    await server.stop()
    keep('the log', server.log())
    for (const path of filesBelow(data)) keep(path.slice(root.length), readFileSync(path))

    assert.ok(outputs.length > 45 && secrets.size > 20, `${outputs.length} outputs, ${secrets.size} secrets`)
    const found: string[] = []
    for (const [secret, names] of secrets) {
      for (const form of formsOf(secret, names)) {
        for (const [what, text] of outputs) if (text.includes(form)) found.push(`${form} in ${what}`)
      }
    }
    assert.deepEqual(found, [])
    context.diagnostic(`${secrets.size} secrets, ${outputs.length} outputs`)

    function run(args: string[]): Promise<Ran> {
      return new Promise((resolve) => {
        execFile(process.execPath, [MAIN, ...args], (error, stdout, stderr) =>
          resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
        )
      })
    }
  },
)
