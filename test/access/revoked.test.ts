/**
 * What was taken away is good for no request more, in any process: two registries on one folder, and commands beside
 * them. Every credential is used in both before, so that all that is kept in memory is kept.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createHttpClient, type Answer } from '../lib/http-client.ts'
import { startServer } from '../lib/start-server.ts'
import { afterwards, type Ending, temporaryFolder } from '../lib/temporary.ts'
import { basicOf } from './subject.ts'

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const NAME = 'repository:team/app:pull,push'

const INDEX = 'application/vnd.oci.image.index.v1+json'
const EMPTY_INDEX = JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: [] })

async function startTwo(context: Ending) {
  const folder = temporaryFolder(context, 'revoked')
  const config = {
    version: 0.1,
    log: { level: 'info', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(folder, 'data') } },
    http: { addr: '127.0.0.1:0' },
    access: { 'signed-in': [], administrator: { password: 'of the administrator' } },
  }
  const file = join(folder, 'config.yml')
  writeFileSync(file, JSON.stringify(config))
  const servers = []
  const urls: string[] = []
  for (let count = 0; count < 2; count += 1) {
    const server = await startServer({ root: '', config })
    afterwards(context, () => server.stop())
    urls.push(server.url)
    const http = createHttpClient(server.url)
    afterwards(context, () => http.close())
    servers.push(http)
  }
  const [a, b] = servers as [(typeof servers)[0], (typeof servers)[0]]
  const run = async (args: readonly string[], input = ''): Promise<string> => {
    const child = spawn(process.execPath, [MAIN, ...args, '-c', file], { stdio: ['pipe', 'pipe', 'pipe'] })
    child.stdin.end(input)
    const [out, err] = [text(child.stdout), text(child.stderr)]
    const [code] = (await once(child, 'close')) as [number]
    assert.equal(code, 0, `${args.join(' ')}: ${await err}`)
    return (await out).trim()
  }
  const bodyOf = (answer: Answer) =>
    JSON.parse(answer.body.toString()) as { token: string; refresh_token: string }
  return {
    run,
    /** A manifest of which only the beginning is sent; what comes back sends the rest, and gives the status. */
    async slowPush(authorization: string, tag: string): Promise<() => Promise<number | undefined>> {
      const headers = { authorization, 'content-type': INDEX, 'content-length': EMPTY_INDEX.length }
      const push = request(`${urls[0]}/v2/team/app/manifests/${tag}`, {
        method: 'PUT',
        headers,
        agent: false,
      })
      const answered = once(push, 'response') as Promise<[IncomingMessage]>
      await new Promise((resolve) => push.write(EMPTY_INDEX.slice(0, 1), resolve))
      return async () => {
        push.end(EMPTY_INDEX.slice(1))
        const [answer] = await answered
        answer.resume()
        return answer.statusCode
      }
    },
    /** Statuses of both for a push to be begun. */
    async statuses(authorization: string): Promise<string> {
      const ask = { method: 'POST', headers: { authorization } }
      const [one, two] = [
        await a.ask('/v2/team/app/blobs/uploads/', ask),
        await b.ask('/v2/team/app/blobs/uploads/', ask),
      ]
      return `${one.status} ${two.status}`
    },
    /** Of the first; it is good at the second too. */
    async token(authorization: string): Promise<string> {
      const answer = await a.ask(`/token?scope=${NAME}`, { headers: { authorization } })
      assert.equal(answer.status, 200)
      return `Bearer ${bodyOf(answer).token}`
    },
    async refreshToken(authorization: string): Promise<string> {
      const answer = await a.ask('/token?offline_token=true', { headers: { authorization } })
      return bodyOf(answer).refresh_token
    },
    /** At the second; undefined: refused. */
    async refreshed(refreshToken: string): Promise<string | undefined> {
      const fields = { grant_type: 'refresh_token', refresh_token: refreshToken, scope: NAME }
      const body = Buffer.from(new URLSearchParams(fields).toString())
      const headers = { 'content-type': 'application/x-www-form-urlencoded' }
      const answer = await b.ask('/token', { method: 'POST', headers, body })
      assert.ok(answer.status === 200 || answer.status === 401, answer.body.toString())
      return answer.status === 200 ? `Bearer ${bodyOf(answer).token}` : undefined
    },
  }
}

test('what was taken away is good for no request more, in any process', { timeout: 120_000 }, async (t) => {
  const { run, statuses, token, refreshToken, refreshed, slowPush } = await startTwo(t)
  const addUser = (name: string, password = 'the first password') =>
    run(['user', 'add', name, '--password-stdin'], password)
  await addUser('alice')
  await run(['access', 'set', 'team/**', 'user:alice=pull,push', 'user:bob=pull,push'])
  const basic = basicOf('alice', 'the first password')

  await t.test('keys are shared: a token of one is good at the other', async () => {
    assert.equal(await statuses(basic), '202 202')
    assert.equal(await statuses(await token(basic)), '202 202')
  })

  await t.test('a permission', async () => {
    const bearer = await token(basic)
    assert.equal(await statuses(bearer), '202 202')
    await run(['access', 'set', 'team/**', 'user:alice=pull', 'user:bob=pull,push'])
    assert.equal(await statuses(bearer), '403 403')
    assert.equal(await statuses(basic), '403 403')
    await run(['access', 'set', 'team/**', 'user:alice=pull,push', 'user:bob=pull,push'])
    assert.equal(await statuses(bearer), '202 202')
  })

  await t.test('C2: the limits of a personal token, by every way', async () => {
    const secret = await run(['token', 'add', '--user', 'alice', '--may', 'team/**:pull'])
    const pat = basicOf('alice', secret)
    const refresh = await refreshToken(pat)
    assert.equal(await statuses(pat), '403 403')
    assert.equal(await statuses(await token(pat)), '403 403')
    assert.equal(await statuses((await refreshed(refresh)) ?? ''), '403 403')
  })

  await t.test('a personal token, with what it was exchanged for', async () => {
    const secret = await run(['token', 'add', '--user', 'alice'])
    const pat = basicOf('alice', secret)
    const [bearer, refresh] = [await token(pat), await refreshToken(pat)]
    const second = (await refreshed(refresh)) ?? ''
    for (const one of [pat, bearer, second]) assert.equal(await statuses(one), '202 202')
    const [, id = ''] =
      /^\s*(\d+)\s/m.exec((await run(['token', 'list', '--user', 'alice'])).split('\n').at(-1) ?? '') ?? []
    await run(['token', 'revoke', id])
    for (const one of [pat, bearer, second]) assert.equal(await statuses(one), '401 401')
    assert.equal(await refreshed(refresh), undefined)
    assert.equal(await statuses(basic), '202 202')
  })

  await t.test('a password', async () => {
    const [bearer, refresh] = [await token(basic), await refreshToken(basic)]
    const second = (await refreshed(refresh)) ?? ''
    for (const one of [basic, bearer, second]) assert.equal(await statuses(one), '202 202')
    await run(['user', 'passwd', 'alice', '--password-stdin'], 'the second password')
    for (const one of [basic, bearer, second]) assert.equal(await statuses(one), '401 401')
    assert.equal(await refreshed(refresh), undefined)
    assert.equal(await statuses(basicOf('alice', 'the second password')), '202 202')
  })

  await t.test('an account, and one of its name that is made later', async () => {
    await addUser('bob')
    const bob = basicOf('bob', 'the first password')
    const [bearer, refresh] = [await token(bob), await refreshToken(bob)]
    for (const one of [bob, bearer]) assert.equal(await statuses(one), '202 202')
    await run(['user', 'disable', 'bob'])
    for (const one of [bob, bearer]) assert.equal(await statuses(one), '401 401')
    await run(['user', 'enable', 'bob'])
    assert.equal(await statuses(bob), '202 202')
    assert.equal(await statuses(bearer), '401 401')
    assert.equal(await refreshed(refresh), undefined)
    const again = await token(bob)
    await run(['user', 'remove', 'bob'])
    await addUser('bob')
    assert.equal(await statuses(again), '401 401')
    assert.equal(await statuses(bob), '202 202')
  })

  await t.test('a manifest that is sent slowly is of who its sender is when all of it is there', async () => {
    await addUser('carol')
    await run(['access', 'set', 'team/**', 'user:carol=pull,push'])
    const carol = basicOf('carol', 'the first password')
    const kept = await slowPush(carol, 'kept')
    const late = [await slowPush(carol, 'late'), await slowPush(await token(carol), 'late')]
    await sleep(1100)
    assert.equal(await kept(), 201)
    await run(['user', 'disable', 'carol'])
    for (const end of late) assert.equal(await end(), 401)
    await run(['access', 'set', 'team/**', 'user:alice=pull,push', 'user:bob=pull,push'])
  })

  await t.test('a robot', async () => {
    const secret = await run(['robot', 'add', 'ci', '--may', 'team/**:pull,push'])
    const robot = basicOf('ci', secret)
    const bearer = await token(robot)
    for (const one of [robot, bearer]) assert.equal(await statuses(one), '202 202')
    await run(['robot', 'change', 'ci', '--may', 'team/**:pull'])
    for (const one of [robot, bearer]) assert.equal(await statuses(one), '403 403')
    await run(['robot', 'disable', 'ci'])
    for (const one of [robot, bearer]) assert.equal(await statuses(one), '401 401')
  })
})
