/**
 * Berth beside CNCF Distribution 3.1.2: what differs stands in differences.ts with its reason, and nothing else does.
 * Distribution's answers under its stock file are recorded; where its program is at hand, the slow run asks it anew,
 * under every configuration.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCertificates, withoutOpenssl } from '../../src/serving/certificates.fixture.ts'
import { createRandom } from '../lib/content.ts'
import { afterwards } from '../lib/temporary.ts'
import { differencesOf, judge, told, type Found } from './compare-answers.ts'
import { compareUnder, playUnder } from './compare-under.ts'
import { CONFIGURATIONS, type Configuration } from './configurations.ts'
import { DIFFERENCES } from './differences.ts'
import { berth, findPeer } from './launch.ts'
import { readRecorded } from './recorded.ts'
import { namesOf, STEPS } from './requests.ts'

const isSlow = process.env['BERTH_SLOW'] === '1'
const STOCK_V3 = CONFIGURATIONS[0] as Configuration

test('the scenario is long, and each request of it has a name and a recorded answer', () => {
  const names = namesOf(STEPS)
  assert.ok(STEPS.length >= 300, `${STEPS.length}`)
  assert.equal(new Set(names).size, names.length)
  assert.deepEqual([...readRecorded().keys()], names)
})

test('the recorded answers of Distribution 3.1.2: what differs is meant to, and what is meant to does', async () => {
  const answers = await playUnder(berth, STOCK_V3)
  assert.ok(typeof answers !== 'string')
  const { unexpected, unused } = judge(differencesOf(readRecorded(), answers), DIFFERENCES)
  assert.deepEqual(unexpected.map(told), [])
  assert.deepEqual(unused, [])
  for (const [step, { status }] of answers) assert.ok(status >= 200 && status < 500, `${status} ${step}`)
})

test('a difference that nobody foresaw is noticed, and an entry that never occurs too', () => {
  const found: Found[] = [{ step: 'GET /v2/', field: 'answer', peer: '200', berth: '418' }]
  const entry = { why: 'tea', field: 'answer', peer: '200', berth: '418' }
  assert.deepEqual(judge(found, []).unexpected, found)
  assert.deepEqual(judge(found, [entry]).unexpected, [])
  assert.deepEqual(judge(found, [{ ...entry, steps: ['GET /'] }]).unexpected, found)
  assert.equal(judge([], [entry]).unused.length, 1)
  const answer = { status: 200, headers: { etag: 'a' } }
  const other = { status: 200, headers: { etag: 'b' } }
  assert.equal(differencesOf(new Map([['x', answer]]), new Map([['x', other]])).length, 1)
})

test('each way of configuring it starts, or is refused, as it is with Distribution', async (t) => {
  const missing = await withoutOpenssl()
  const seed = Date.now() % 1_000_000
  const random = createRandom(seed)
  t.diagnostic(`seed ${seed}`)
  const tried = CONFIGURATIONS.filter((one) => isSlow || (random.next() < 0.1 && one !== STOCK_V3))
  const tls = missing === undefined ? await certificate(t) : undefined
  for (const one of tried) {
    if (one.needsCertificate && tls === undefined) continue
    const answers = await playUnder(berth, one, tls)
    assert.equal(typeof answers === 'string' ? answers : 'starts', startOf(one), one.name)
  }
})

function startOf({ start, refused }: Configuration): string {
  return start?.berth ?? (refused ? 'refuses' : 'starts')
}

if (isSlow) {
  const peer = findPeer()
  const skip =
    peer === undefined &&
    'SKIPPED: Distribution 3.1 is not on this machine (BERTH_COMPAT_PEER, or registry on the PATH)'
  test('all configurations, Distribution itself beside it', { skip }, async (t) => {
    if (peer === undefined) return
    const tls = await certificate(t)
    for (const one of CONFIGURATIONS) {
      await t.test(one.name, async () => {
        const { wrong } = await compareUnder(one, { peer, berth }, tls)
        assert.deepEqual(wrong, [])
      })
    }
  })
}

type Test = Parameters<typeof afterwards>[0]

async function certificate(t: Test): Promise<{ certificate: string; key: string }> {
  const certificates = await createCertificates()
  afterwards(t, () => certificates.remove())
  return certificates.issue('server', await certificates.authority('authority'))
}
