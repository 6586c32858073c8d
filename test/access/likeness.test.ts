/**
 * Absent and forbidden look alike: the same bytes, for every kind of route, and (in the slow group) in the same time.
 * Refused is by name, before anything is looked up.
 */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { blobOf } from '../lib/content.ts'
import { connection, type Raw } from './connection.ts'
import { pushContent, type Content } from './content.ts'
import { startSubject, type Subject } from './subject.ts'

const SECRET = 'private/app'
/** As long as the other name, and nowhere. */
const ABSENT = 'private/nil'

/** One of each that names a repository; bodies that are refused before they are read. */
function linesOf({ image, layer, tag }: Content): string[] {
  return [
    'GET /v2/<name>/tags/list',
    'GET /v2/<name>/tags/list?n=1',
    `GET /v2/<name>/referrers/${image.digest}`,
    `GET /v2/<name>/manifests/${tag}`,
    `HEAD /v2/<name>/manifests/${tag}`,
    `GET /v2/<name>/manifests/${image.digest}`,
    `HEAD /v2/<name>/manifests/${image.digest}`,
    `PUT /v2/<name>/manifests/${tag}`,
    `PUT /v2/<name>/manifests/${image.digest}?tag=a&tag=${tag}`,
    `DELETE /v2/<name>/manifests/${tag}`,
    `DELETE /v2/<name>/manifests/${image.digest}`,
    `GET /v2/<name>/blobs/${layer.digest}`,
    `HEAD /v2/<name>/blobs/${layer.digest}`,
    `DELETE /v2/<name>/blobs/${layer.digest}`,
    'POST /v2/<name>/blobs/uploads/',
    `POST /v2/<name>/blobs/uploads/?digest=${layer.digest}`,
    `POST /v2/<name>/blobs/uploads/?mount=${layer.digest}`,
    `POST /v2/<name>/blobs/uploads/?mount=${layer.digest}&from=public/app`,
    'GET /v2/<name>/blobs/uploads/00000000000000000000000000000000',
    'PATCH /v2/<name>/blobs/uploads/00000000000000000000000000000000',
    `PUT /v2/<name>/blobs/uploads/00000000000000000000000000000000?digest=${layer.digest}`,
    'DELETE /v2/<name>/blobs/uploads/00000000000000000000000000000000',
    'OPTIONS /v2/<name>/tags/list',
    'PUT /v2/<name>/tags/list',
    'GET /v1/search?q=<name>',
  ]
}

function textOf(line: string, name: string, authorization: string | undefined): string {
  const headers = ['Host: registry.example.com', 'Content-Length: 0']
  if (authorization !== undefined) headers.push(`Authorization: ${authorization}`)
  return `${line.replaceAll('<name>', name)} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`
}

/** But for what each answer has of its own. */
function likeness(answer: string, name: string): string {
  const id = /^x-request-id: (.*)$/im.exec(answer)?.[1]?.trim()
  const rest = answer.replace(/^date: .*$/im, 'date').replaceAll(name, '<name>')
  return id === undefined ? rest : rest.replaceAll(id, '<id>')
}

type Start = { subject: Subject; content: Content; authorizations: [who: string, string | undefined][] }

async function start(t: TestContext): Promise<Start> {
  const subject = await startSubject(t)
  await pushContent(subject.client, 'public/app', 'everybody', 54_321)
  const content = await pushContent(subject.client, SECRET, 'canary', 61_237)
  const { basic, bearer } = subject
  const scopes = [SECRET, ABSENT].map((name) => `repository:${name}:pull,push,delete`)
  return {
    subject,
    content,
    authorizations: [
      ['nobody', undefined],
      ['nobody, with a token', await bearer(undefined, scopes)],
      ['outsider', basic('outsider')],
      ['outsider, with a token', await bearer(basic('outsider'), scopes)],
    ],
  }
}

test('absent and forbidden are the same bytes', async (t) => {
  const { subject, content, authorizations } = await start(t)
  const raw = await connection(subject.url)
  t.after(raw.end)
  for (const [who, authorization] of authorizations) {
    for (const line of linesOf(content)) {
      const forbidden = await raw.ask(textOf(line, SECRET, authorization))
      const absent = await raw.ask(textOf(line, ABSENT, authorization))
      assert.equal(likeness(forbidden, SECRET), likeness(absent, ABSENT), `${line} as ${who}`)
      assert.match(forbidden, /^HTTP\/1\.1 (40[135]|20[04]) /, line)
    }
  }
})

test('what a pusher may not read looks as if it were nowhere, also by its digest', async (t) => {
  const { subject, content } = await start(t)
  const { client, ask, basic } = subject
  // May push below public/, and knows digests of a repository that only the administrator may read.
  const hidden = blobOf('hidden', 3000)
  assert.equal((await client.pushBlob('elsewhere/app', hidden, 'post')).status, 201)
  const nowhere = blobOf('nowhere', 3000)
  const headers = { authorization: basic('pusher') }
  const shown = async (text: string, digest: string): Promise<string> => {
    const { status, headers: given, body } = await ask(text.replaceAll('<digest>', digest), { headers })
    const { date: _, 'x-request-id': id, location = '', range, ...others } = given
    const upload = given['docker-upload-uuid'] ?? 'no upload'
    const all = JSON.stringify([status, { ...others, location, range }, body.toString()])
    return all
      .replaceAll(digest, '<digest>')
      .replaceAll(String(upload), '<upload>')
      .replaceAll(String(id), '<id>')
  }
  for (const text of [
    'HEAD /v2/public/app/blobs/<digest>',
    'GET /v2/public/app/blobs/<digest>',
    'GET /v2/public/app/manifests/<digest>',
    'POST /v2/public/app/blobs/uploads/?mount=<digest>',
    'POST /v2/public/app/blobs/uploads/?mount=<digest>&from=elsewhere/app',
    'POST /v2/public/app/blobs/uploads/?mount=<digest>&from=elsewhere/none',
    'POST /v2/public/app/blobs/uploads/?digest=<digest>',
  ]) {
    assert.equal(await shown(text, hidden.digest), await shown(text, nowhere.digest), text)
  }
  assert.equal((await client.statBlob('public/app', hidden.digest)).status, 404)
  assert.ok(content.layer.bytes.length > 0)
})

const isSlow = process.env['BERTH_SLOW'] === '1'

test(
  'absent and forbidden take the same time',
  { skip: isSlow ? false : 'in the slow group', timeout: 300_000 },
  async (t) => {
    const { subject, content, authorizations } = await start(t)
    const raw = await connection(subject.url)
    t.after(raw.end)
    const lines = linesOf(content).filter((line) => /^(GET|HEAD) \/v2/.test(line))
    for (const [who, authorization] of authorizations) {
      for (const line of lines) {
        const difference = await compare(raw, line, authorization)
        t.diagnostic(`${line} as ${who}: ${(difference * 100).toFixed(1)} %`)
        assert.ok(Math.abs(difference) < 0.05, `${line} as ${who}: ${difference}`)
      }
    }
  },
)

/** By how much the median time of the forbidden one is longer, as a part of that of the absent one. */
async function compare(raw: Raw, line: string, authorization: string | undefined): Promise<number> {
  const texts = [textOf(line, SECRET, authorization), textOf(line, ABSENT, authorization)]
  const times: [number[], number[]] = [[], []]
  for (let i = 0; i < 2400; i += 1) {
    // In both orders: what comes second finds more in the processor's caches.
    for (const which of (i % 2 === 0 ? [0, 1] : [1, 0]) as (0 | 1)[]) {
      const began = process.hrtime.bigint()
      await raw.ask(texts[which] as string)
      if (i >= 400) times[which].push(Number(process.hrtime.bigint() - began))
    }
  }
  const [forbidden, absent] = times.map((list) => list.sort((a, b) => a - b)[list.length >> 1] as number)
  return ((forbidden as number) - (absent as number)) / (absent as number)
}
