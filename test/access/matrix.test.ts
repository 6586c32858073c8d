/**
 * Every kind of route × everybody × a repository that all may pull, one that some may, and one that is not there, by Basic
 * and by Bearer: the statuses that `routes.ts` says, and not a byte of the private repository for who may not read it.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeJwt } from 'jose'
import { createSignedTokens } from '../../src/auth/tokens/signed.ts'
import { createTokenKeys } from '../../src/auth/tokens/keys.ts'
import { ROUTE_KINDS } from '../../src/distribution/routes.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { concurrently } from '../../src/lib/concurrently.ts'
import type { Answer } from '../lib/http-client.ts'
import { locationOf } from '../lib/registry-client.ts'
import { pushContent, tellsOf, wordsOf } from './content.ts'
import {
  IDENTITIES,
  type Identity,
  REPOSITORIES,
  type Repository,
  type Row,
  ROWS,
  type Situation,
} from './routes.ts'
import { PEOPLE, startSubject, type Subject } from './subject.ts'

const WAYS = ['Basic', 'Bearer'] as const
type Way = (typeof WAYS)[number]
type Headers = Record<Identity, Record<Way, string | undefined>>

const SCOPES = [...REPOSITORIES.map((name) => `repository:${name}:pull,push,delete`), 'registry:catalog:*']
const MAY_READ: ReadonlySet<Identity> = new Set(['reader', 'pusher', 'creator', 'deleter', 'administrator'])

async function headersOf(subject: Subject): Promise<Headers> {
  const { bearer, basic } = subject
  const robot = await subject.robot('machine')
  const disabled = await subject.doomed('disabled')
  const holder = await subject.doomed('holder')
  const both = async (authorization: string | undefined) => ({
    Basic: authorization,
    Bearer: await bearer(authorization, SCOPES),
  })
  const people = await Promise.all(PEOPLE.map(async (name) => [name, await both(basic(name))] as const))
  const headers: Headers = {
    ...(Object.fromEntries(people) as Record<(typeof PEOPLE)[number], Record<Way, string>>),
    anonymous: await both(undefined),
    'expired token': { Basic: await holder.token(), Bearer: await expired(subject, holder.basic) },
    'expired robot': await both(robot.basic),
    disabled: await both(disabled.basic),
  }
  for (const identity of ['expired robot', 'disabled'] as const) {
    for (const way of WAYS) {
      const authorization = headers[identity][way] as string
      const reply = await subject.ask('GET /v2/private/app/tags/list', { headers: { authorization } })
      assert.equal(reply.status, 200, `${identity} by ${way}, before it ends`)
    }
  }
  await robot.expire()
  await disabled.disable()
  return headers
}

/** A token that is good in all but its time. */
async function expired({ db, bearer }: Subject, authorization: string): Promise<string> {
  const claims = decodeJwt((await bearer(authorization, SCOPES)).slice('Bearer '.length))
  const signed = createSignedTokens({
    db,
    keys: createTokenKeys({ db, clock: systemClock }),
    clock: systemClock,
  })
  const iat = Math.floor(Date.now() / 1000) - 4000
  return `Bearer ${await signed.sign({ ...claims, iat, exp: iat + 300 } as never)}`
}

/** All of an answer, but what each one has of its own. */
function bytesOf({ status, headers, body }: Answer): string {
  const { date: _, 'x-request-id': id, ...others } = headers
  const text = `${status} ${JSON.stringify(others)}\n${body.toString('latin1')}`
  return typeof id === 'string' ? text.replaceAll(id, '<id>') : text
}

test('every kind of route has rows', () => {
  assert.deepEqual(Object.keys(ROWS).sort(), [...ROUTE_KINDS].sort())
})

test('the matrix', { timeout: 300_000 }, async (t) => {
  const subject = await startSubject(t)
  const { client } = subject
  const publicContent = await pushContent(client, 'public/app', 'everybody', 54_321)
  const secret = await pushContent(client, 'private/app', 'canary', 61_237)
  const headers = await headersOf(subject)
  const words = wordsOf('private/app', secret)
  const failures: string[] = []
  let requests = 0

  function situationOf(
    identity: Identity,
    way: Way,
    repository: Repository,
    status: string,
    fresh: number,
  ): Situation {
    const begin = async (authorization: string): Promise<string> =>
      locationOf(await subject.ask(`POST /v2/${repository}/blobs/uploads/`, { headers: { authorization } }))
    const other = headers[identity === 'pusher' ? 'creator' : 'pusher'].Basic as string
    const own = status.startsWith('20') ? headers[identity][way] : undefined
    return {
      admin: client,
      upload: () => begin(own ?? other),
      foreignUpload: () => begin(other),
      repository,
      content: repository === 'public/app' ? publicContent : secret,
      publicContent,
      isAbsent: repository === 'private/none',
      fresh: `${fresh}`,
    }
  }

  async function judge(row: Row, identity: Identity, way: Way, repository: Repository): Promise<void> {
    const column = { 'public/app': 'public', 'private/app': 'private', 'private/none': 'absent' } as const
    const statuses = (way === 'Bearer' && row.bearer) || row[column[repository]]
    const expected = statuses.split(' ')[IDENTITIES.indexOf(identity)] as string
    const authorization = headers[identity][way]
    const number = (requests += 1)
    const situation = situationOf(identity, way, repository, expected, number)
    const { line, ask = {}, unchanged } = await row.request(situation)
    const reply = await subject.ask(line, {
      ...ask,
      headers: {
        ...(ask.headers as Record<string, string> | undefined),
        // Each from another address: who guesses is made to wait.
        'x-forwarded-for': `198.51.${(number >> 8) % 256}.${number % 256}`,
        ...(authorization !== undefined && { authorization }),
      },
    })
    const who = `${line.replace(/sha256:(\w{8})\w+/g, 'sha256:$1…')} as ${identity} by ${way}`
    if (`${reply.status}` !== expected) {
      failures.push(`${who}: ${reply.status}, not ${expected}: ${reply.body.toString('utf8', 0, 200)}`)
    }
    if (reply.status === 401 && !reply.headers['www-authenticate']) failures.push(`${who}: no challenge`)
    if (unchanged !== undefined && reply.status >= 400) {
      const [path, digest] = unchanged
      const there = await client.ask('HEAD', `/v2/${path}`)
      const stands = there.status === 404 ? undefined : there.headers['docker-content-digest']
      if (stands !== digest) failures.push(`${who}: refused, and yet ${String(stands)}, not ${digest}`)
    }
    if (MAY_READ.has(identity)) return
    const bytes = bytesOf(reply)
    for (const word of words) {
      // What the request says may stand in the answer.
      const wasNamed = decodeURIComponent(line).includes(word)
      if (!wasNamed && tellsOf(bytes, word))
        failures.push(`${who}: tells of ${JSON.stringify(word)}: ${bytes}`)
    }
  }

  for (const row of Object.values(ROWS).flat()) {
    const all = IDENTITIES.flatMap((identity) =>
      REPOSITORIES.flatMap((repository) => WAYS.map((way) => [row, identity, way, repository] as const)),
    )
    await concurrently(all, 12, (one) => judge(...one))
  }
  assert.deepEqual(failures, [])
  assert.ok(requests > 1500, `${requests} requests`)
  t.diagnostic(`${requests} requests`)
})
