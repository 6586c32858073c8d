/** A push into registries that say what is not so: it ends, with a reason, and sends what it should. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { digestOf } from '../../oci/digest.ts'
import { parseRepositoryName } from '../../oci/reference.ts'
import { UpstreamError } from '../failure.ts'
import { connected, start } from '../registry.fixture.ts'
import { createChunkLimit } from './chunk-limit.ts'
import { createUnfinishedUploads } from './unfinished.ts'
import { uploadBlob } from './upload-blob.ts'
import type { BlobOutcome } from './uploads.ts'

const BYTES = Buffer.alloc(300_000, 'bytes')
const DIGEST = digestOf('sha256', BYTES)
const OTHER = `sha256:${'0'.repeat(64)}`
const MOST_REQUESTS = 40

type Rule = (request: IncomingMessage, answer: ServerResponse) => void

/** @returns what became of a blob, or the error, and the requests */
async function upload(t: TestContext, rule: Rule, chunk?: number) {
  const folder = mkdtempSync(join(tmpdir(), 'berth-lies-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'blob')
  writeFileSync(path, BYTES)
  const seen: string[] = []
  const ended = new AbortController()
  const host = await start(t, (request, answer) => {
    if (request.url === '/v2/') return void answer.end()
    seen.push([request.method, request.headers['content-range'] ?? ''].join(' ').trim())
    if (seen.length > MOST_REQUESTS) ended.abort(new Error('it does not end'))
    request.resume()
    if (request.method === 'HEAD') answer.writeHead(404).end()
    else rule(request, answer)
  })
  const connection = await connected(t, host, { connections: 2 })
  const repository = parseRepositoryName('a/b')
  const outcome = await uploadBlob(
    { digest: DIGEST, stored: { path, at: 0, size: BYTES.length, shown: path } },
    {
      connection,
      repository,
      mountFrom: [],
      chunks: createChunkLimit(chunk, () => undefined),
      unfinished: createUnfinishedUploads(join(folder, 'state'), connection.origin.origin, repository),
      signal: ended.signal,
      watch: { sent: () => undefined, resumed: () => undefined, waits: () => undefined },
    },
  ).catch((error: unknown) => error as Error)
  return { outcome, seen }
}

const LOCATION = { location: '/v2/a/b/blobs/uploads/1' }
const begun = (
  request: IncomingMessage,
  answer: ServerResponse,
  more: Record<string, string> = {},
): boolean => {
  if (request.method === 'POST') answer.writeHead(202, { ...LOCATION, ...more }).end()
  if (request.method === 'DELETE') answer.writeHead(204).end()
  return request.method === 'POST' || request.method === 'DELETE'
}
const good = ({ method }: IncomingMessage, answer: ServerResponse): void =>
  void answer.writeHead(method === 'PUT' ? 201 : 202, LOCATION).end()

const ROWS: [name: string, rule: Rule, outcome: BlobOutcome | RegExp, chunk?: number][] = [
  [
    'wants more at once than a proxy before it takes',
    (request, answer) => {
      if (!begun(request, answer, { 'oci-chunk-min-length': '200000' })) answer.writeHead(413).end()
    },
    /takes no body of this size/,
    100_000,
  ],
  ...['1.5', '100000.5', '-5', 'Infinity', 'NaN', '9'.repeat(30), ''].map((least): (typeof ROWS)[number] => [
    `wants pieces of ${least}`,
    (request, answer) => {
      if (!begun(request, answer, { 'oci-chunk-min-length': least })) good(request, answer)
    },
    'uploaded',
    100_000,
  ]),
  ...['0-999999999', '0--1', '5-3', '0-0', '0-99999999999999999999999', 'bytes=0-1.5'].map(
    (range): (typeof ROWS)[number] => [
      `says ${range} of what it has, and takes nothing`,
      (request, answer) => {
        if (begun(request, answer)) return
        if (request.method === 'GET') answer.writeHead(204, { ...LOCATION, range }).end()
        else answer.writeHead(416, { ...LOCATION, range }).end()
      },
      /refuses to take/,
    ],
  ),
  [
    'calls it something else',
    (request, answer) => {
      if (!begun(request, answer))
        answer
          .writeHead(request.method === 'PUT' ? 201 : 202, { ...LOCATION, 'docker-content-digest': OTHER })
          .end()
    },
    /took sha256:.* and calls it sha256:0000/,
  ],
  [
    'mounts something else',
    (_request, answer) => void answer.writeHead(201, { 'docker-content-digest': OTHER }).end(),
    /took sha256:.* and calls it sha256:0000/,
  ],
  [
    'leads an upload in a circle',
    (request, answer) => {
      if (!begun(request, answer)) answer.writeHead(307, LOCATION).end()
    },
    /redirects again and again/,
  ],
  [
    'has answers that do not end',
    (request, answer) => {
      answer.writeHead(request.method === 'PUT' ? 201 : 202, LOCATION)
      const more = (): boolean => !answer.destroyed && answer.write(Buffer.alloc(65_536)) && more()
      answer.on('drain', more)
      more()
    },
    'uploaded',
    50_000,
  ],
]

for (const [name, rule, expected, chunk] of ROWS)
  test(`a registry that ${name}`, { timeout: 10_000 }, async (t) => {
    const { outcome, seen } = await upload(t, rule, chunk)
    const said = `${String(outcome)}\n${seen.join('\n')}`
    assert.ok(seen.length <= MOST_REQUESTS, said)
    if (typeof expected === 'string') return void assert.equal(outcome, expected, said)
    assert.ok(outcome instanceof UpstreamError, said)
    assert.match(outcome.message, expected)
  })
