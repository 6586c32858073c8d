/** What lists show to whom, to the name; and that all of it can be reached, page by page. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { bcrypt } from 'hash-wasm'
import { blobOf, imageOf } from '../lib/content.ts'
import type { Answer } from '../lib/http-client.ts'
import { expectStatus, nextOf, type RegistryClient } from '../lib/registry-client.ts'
import { temporaryFolder } from '../lib/temporary.ts'
import { basicOf, startSubject, type Subject } from './subject.ts'

const NAMES = ['elsewhere/app', 'private/app', 'private/b', 'private/c', 'public/app', 'public/tool']
const CONFIG = blobOf('config', 10)

async function fill(client: RegistryClient): Promise<void> {
  for (const name of NAMES) {
    expectStatus(await client.pushBlob(name, CONFIG, 'post'), 201)
    expectStatus(await client.putManifest(name, 'v1', imageOf(CONFIG, [])), 201)
  }
}

type Headers = Record<string, string>
const headersOf = (authorization: string | undefined): Headers =>
  authorization === undefined ? {} : { authorization }

/** All pages; what each says of the next one stands in `links`. */
async function catalog(
  { ask }: Pick<Subject, 'ask'>,
  authorization: string | undefined,
  n: number,
): Promise<{ names: string[]; links: string }> {
  const names: string[] = []
  let links = ''
  let path: string | undefined = `/v2/_catalog?n=${n}`
  while (path !== undefined) {
    const reply: Answer = expectStatus(await ask(`GET ${path}`, { headers: headersOf(authorization) }), 200)
    const page = (JSON.parse(reply.body.toString()) as { repositories: string[] }).repositories
    path = nextOf(reply)
    if (path !== undefined) assert.equal(page.length, n)
    links += path ?? ''
    names.push(...page)
  }
  return { names, links }
}

async function search({ ask }: Pick<Subject, 'ask'>, authorization: string | undefined): Promise<string[]> {
  const reply = expectStatus(await ask('GET /v1/search?q=', { headers: headersOf(authorization) }), 200)
  return (JSON.parse(reply.body.toString()) as { results: { name: string }[] }).results.map(
    ({ name }) => name,
  )
}

const PUBLIC = ['public/app', 'public/tool']
const BOTH = ['private/app', 'private/b', 'private/c', ...PUBLIC]
/** Each by password, and by a token that is for the list and for no repository. */
const SEEN: Readonly<Record<string, readonly string[]>> = {
  anonymous: PUBLIC,
  outsider: PUBLIC,
  reader: BOTH,
  creator: BOTH,
  administrator: NAMES,
}

test('with rules: what may be pulled, whole, in full pages, and not a name more', async (t) => {
  const subject = await startSubject(t)
  await fill(subject.client)
  for (const [name, expected] of Object.entries(SEEN)) {
    const basic = name === 'anonymous' ? undefined : subject.basic(name as 'reader')
    const bearer = await subject.bearer(basic, ['registry:catalog:*'])
    for (const authorization of basic === undefined ? [bearer] : [basic, bearer]) {
      for (const n of [1, 2, 3, 100]) {
        const { names, links } = await catalog(subject, authorization, n)
        assert.deepEqual(names, expected, `${name}, ${n} a page`)
        for (const hidden of NAMES) {
          if (!expected.includes(hidden)) assert.ok(!decodeURIComponent(links).includes(hidden), links)
        }
      }
    }
    assert.deepEqual(await search(subject, basic), expected, name)
    // As docker asks for its token.
    assert.deepEqual(
      await search(subject, await subject.bearer(basic, ['registry:catalog:search'])),
      expected,
      name,
    )
    // A token for something else is not for lists.
    const other = await subject.bearer(basic, ['repository:public/app:pull'])
    for (const line of ['GET /v2/_catalog', 'GET /v1/search?q=a']) {
      const reply = await subject.ask(line, { headers: { authorization: other } })
      assert.equal(reply.status, 401, `${line} as ${name}`)
      assert.match(
        String(reply.headers['www-authenticate']),
        /scope="registry:catalog:\*",error="insufficient_scope"/,
      )
    }
  }
})

test('with accounts and no rules: who signed in sees all, nobody else anything', async (t) => {
  const htpasswd = join(temporaryFolder(t, 'htpasswd'), 'htpasswd')
  const password = 'of alice'
  const hash = await bcrypt({ password, salt: randomBytes(16), costFactor: 4, outputType: 'encoded' })
  writeFileSync(htpasswd, `alice:${hash}\n`)
  const subject = await startSubject(t, {
    REGISTRY_ACCESS_ENABLED: 'false',
    REGISTRY_AUTH_HTPASSWD_REALM: 'the tests',
    REGISTRY_AUTH_HTPASSWD_PATH: htpasswd,
  })
  const alice = basicOf('alice', password)
  const push = async (line: string, body: Uint8Array, type: string): Promise<void> => {
    const headers = { authorization: alice, 'content-type': type }
    expectStatus(await subject.ask(line, { headers, body }), 201)
  }
  const image = imageOf(CONFIG, [])
  for (const name of NAMES) {
    await push(
      `POST /v2/${name}/blobs/uploads/?digest=${CONFIG.digest}`,
      CONFIG.bytes,
      'application/octet-stream',
    )
    await push(`PUT /v2/${name}/manifests/v1`, image.bytes, image.mediaType)
  }
  assert.deepEqual((await catalog(subject, alice, 2)).names, NAMES)
  assert.deepEqual(await search(subject, alice), NAMES)
  for (const line of ['GET /v2/_catalog', 'GET /v1/search?q=', 'GET /v2/public/app/tags/list']) {
    const reply = await subject.ask(line)
    assert.deepEqual(
      [reply.status, reply.headers['www-authenticate']],
      [401, 'Basic realm="the tests"'],
      line,
    )
    for (const name of NAMES) assert.ok(line.includes(name) || !reply.body.includes(name), line)
  }
})
