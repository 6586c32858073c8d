/**
 * What bad input gets: the status it should, the specification's error with a message, soon; never a 5xx, a hang, a
 * path of the server, or anything written outside the data folder. A tenth of the cases, another one each time;
 * BERTH_SLOW=1 tries all.
 */
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { ERROR_CODES } from '../../../src/oci/error.ts'
import { createRandom } from '../../lib/content.ts'
import { createRegistryClient } from '../../lib/registry-client.ts'
import { memoryOf, startServer } from '../../lib/start-server.ts'
import { afterwards, temporaryFolder } from '../../lib/temporary.ts'
import { addressCases } from './addresses.ts'
import { BLOB, IMAGE, isAscii, REPOSITORY, sha256, TAG, TYPE, type Case } from './case.ts'
import { httpCases } from './http.ts'
import { manifestCases } from './manifests.ts'
import { numberCases } from './numbers.ts'
import { sendCase, type RawAnswer } from './send-case.ts'

const GROUPS = {
  addresses: addressCases(),
  numbers: numberCases(),
  manifests: manifestCases(),
  http: httpCases(),
}
const AT_A_TIME = 8
/** Statuses of 500 and more that HTTP itself demands (RFC 9110, section 15.6; RFC 9112, section 6.1). */
const BY_HTTP = new Set([501, 505])

const seed = Date.now() % 1_000_000
const random = createRandom(seed)
const all = process.env['BERTH_SLOW'] === '1'
const chosen = (cases: readonly Case[]): Case[] => cases.filter(() => all || random.next() < 0.1)

const file = { after }
const folder = temporaryFolder(file, 'bad-input')
mkdirSync(join(folder, 'data'))
writeFileSync(join(folder, 'sentinel'), 'untouched')
const server = await startServer({ root: join(folder, 'data') })
afterwards(file, () => server.stop())
const client = createRegistryClient(server.url)
afterwards(file, () => client.close())
before(async () => {
  await client.pushBlob(REPOSITORY, { bytes: Buffer.from(BLOB), digest: sha256(BLOB) }, 'post-put')
  await serves()
})

/** What was there before is there, and can be pushed again. */
async function serves(): Promise<void> {
  const body = Buffer.from(IMAGE)
  const put = await client.ask('PUT', `/v2/${REPOSITORY}/manifests/${TAG}`, {
    headers: { 'content-type': TYPE.manifest },
    body,
  })
  assert.equal(put.status, 201, put.body.toString())
  const got = await client.getManifest(REPOSITORY, TAG)
  assert.deepEqual(got.body, body)
  assert.equal((await client.getBlob(REPOSITORY, sha256(BLOB))).body.toString(), BLOB)
}

test('there are enough of them', () => {
  const count = Object.values(GROUPS).flat().length
  assert.ok(count >= 1050, `${count}`)
})

for (const [group, cases] of Object.entries(GROUPS)) {
  test(`bad ${group}`, async (t) => {
    const some = chosen(cases)
    t.diagnostic(`seed ${seed}: ${some.length} of ${cases.length}`)
    const wrong: string[] = []
    const queue = some.values()
    const work = async (): Promise<void> => {
      for (const one of queue) {
        const told = await tried(one)
        if (told !== undefined) wrong.push(`${one.is}: ${shown(one)}\n    ${told}`)
      }
    }
    await Promise.all(Array.from({ length: AT_A_TIME }, work))
    assert.deepEqual(wrong, [])
    await serves()
  })
}

test('nothing was written outside the data folder, and memory stayed flat', () => {
  assert.deepEqual(readdirSync(folder).sort(), ['data', 'sentinel'])
  assert.deepEqual(readdirSync(join(folder, 'data')), ['berth'])
  if (process.platform === 'linux')
    assert.ok(memoryOf(server.pid).peak < 400, `${memoryOf(server.pid).peak} MiB`)
})

async function tried(one: Case): Promise<string | undefined> {
  try {
    const answer = await sendCase(server.url, one)
    if (answer === 'closed') return one.mayClose ? undefined : 'closed without an answer'
    return judged(one, answer)
  } catch (error) {
    return String(error)
  }
}

/** What is wrong with the answer, undefined where nothing is. */
function judged({ line, status, code }: Case, answer: RawAnswer): string | undefined {
  const { status: got, headers, body } = answer
  const said = `${got} ${body.slice(0, 300)}`
  if (!status.includes(got)) return `${status.join(' or ')} was expected: ${said}`
  if (got >= 500 && !BY_HTTP.has(got)) return said
  if (got < 400) return undefined
  if (line.startsWith('HEAD ') && isAscii(line)) return body === '' ? undefined : `HEAD has a body: ${said}`
  if (headers['content-type'] !== 'application/json') return `${headers['content-type']}: ${said}`
  if (`${body.length}` !== headers['content-length'])
    return `content-length ${headers['content-length']}: ${said}`
  if (/\/tmp\/|\/data\/|\/src\/|node:|\.ts\b|at \w+ \(/.test(body.replaceAll(server.host, '')))
    return `tells too much: ${said}`
  const { errors } = JSON.parse(body) as { errors: { code: string; message: string }[] }
  const [error] = errors
  if (errors.length !== 1 || error === undefined || !Object.hasOwn(ERROR_CODES, error.code)) return said
  if (typeof error.message !== 'string' || error.message.length < 10) return `says nothing: ${said}`
  return code === undefined || code.includes(error.code)
    ? undefined
    : `${code.join(' or ')} was expected: ${said}`
}

function shown({ line, headers = [], raw, body }: Case): string {
  const rest = raw ?? [...headers, typeof body === 'string' ? body : ''].join(' | ')
  return JSON.stringify(`${line.slice(0, 150)} | ${rest.slice(0, 250)}`)
}
