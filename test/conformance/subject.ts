/**
 * The registry that is examined: BERTH_CONFORMANCE_URL (http://HOST:PORT, with BERTH_CONFORMANCE_LOGIN as user:password
 * where one is needed), or else one that is started. Repositories get names of their own in each run.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after } from 'node:test'
import type { Answer, Ask } from '../lib/http-client.ts'
import { createRegistryClient, errorOf, type RegistryClient } from '../lib/registry-client.ts'
import { startServer } from '../lib/start-server.ts'
import { afterwards, temporaryFolder } from '../lib/temporary.ts'

export type Subject = { client: RegistryClient; repository(name: string): string }

/** Once a file; what was started ends after its tests. */
export async function findSubject(): Promise<Subject> {
  const run = randomBytes(4).toString('hex')
  const repository = (name: string): string => `conformance-${run}/${name}`
  const url = process.env['BERTH_CONFORMANCE_URL']
  const login = process.env['BERTH_CONFORMANCE_LOGIN']
  const headers: Record<string, string> = login
    ? { authorization: `Basic ${Buffer.from(login).toString('base64')}` }
    : {}
  const file = { after }
  if (url !== undefined) {
    const client = createRegistryClient(url, { headers })
    afterwards(file, () => client.close())
    return { client, repository }
  }
  const root = temporaryFolder(file, 'conformance')
  const server = await startServer({ root, env: { REGISTRY_VALIDATION_MANIFESTS_SPARSE: 'all' } })
  afterwards(file, () => server.stop())
  const client = createRegistryClient(server.url)
  afterwards(file, () => client.close())
  return { client, repository }
}

export type Case = {
  name: string
  method: string
  path: string
  headers?: Record<string, string>
  body?: Ask['body']
  status: number | number[]
  /** A text is the exact value, an expression a part of it, undefined: it must not be there. */
  expect?: Record<string, string | RegExp | undefined>
  /** The error's code, where there is one. */
  code?: string
}

export async function tryCase(client: RegistryClient, one: Case): Promise<Answer> {
  const answer = await client.ask(one.method, one.path, {
    headers: one.headers ?? {},
    body: one.body,
  })
  const statuses = Array.isArray(one.status) ? one.status : [one.status]
  const said = `${one.method} ${one.path}: ${answer.status} ${answer.body.toString('utf8', 0, 300)}`
  assert.ok(statuses.includes(answer.status), `${statuses.join(' or ')} was expected; ${said}`)
  expectHeaders(answer, one.expect ?? {}, said)
  if (one.code !== undefined) assert.equal(errorOf(answer).code, one.code, said)
  return answer
}

export function expectHeaders(
  answer: Answer,
  expected: Record<string, string | RegExp | undefined>,
  said: string,
): void {
  for (const [name, value] of Object.entries(expected)) {
    const got = answer.headers[name.toLowerCase()]
    if (value instanceof RegExp) assert.match(String(got), value, `${name}: ${said}`)
    else assert.equal(got, value, `${name}: ${said}`)
  }
}
