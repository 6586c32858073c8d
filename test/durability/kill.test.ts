/**
 * kill -9 at random instants under six clients. After each restart everything that was acknowledged is served with
 * the right bytes, what was deleted is not, listing and look-up agree, open uploads go on, and 300 tags that nobody
 * touched are there. BERTH_SLOW=1: 200 kills; BERTH_SEED repeats a run.
 */
import assert from 'node:assert/strict'
import test from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createRandom } from '../lib/content.ts'
import { createRegistryClient } from '../lib/registry-client.ts'
import { startServer } from '../lib/start-server.ts'
import { afterwards, temporaryFolder } from '../lib/temporary.ts'
import { createLedger } from './ledger.ts'
import { APP, startLoad } from './load.ts'
import { pushStillLife, verifyStillLife } from './still-life.ts'
import { assertNothingLost, createFindings, resumeUploads, summaryOf, verifyLedger } from './verify.ts'

const KILLS = Number(process.env['BERTH_KILLS'] ?? (process.env['BERTH_SLOW'] ? 200 : 20))
const SEED = Number(process.env['BERTH_SEED'] ?? Date.now() % 1_000_000)

test(`${KILLS} kills lose nothing (seed ${SEED})`, { timeout: 60_000 + KILLS * 15_000 }, async (context) => {
  const root = temporaryFolder(context, 'kill')
  const random = createRandom(SEED)
  const ledger = createLedger()
  const findings = createFindings()
  const unexpected: string[] = []
  let server = await startServer({ root })
  afterwards(context, () => server.kill())
  let client = createRegistryClient(server.url)
  const stillLife = await pushStillLife(client, 300)
  for (let kill = 1; kill <= KILLS; kill += 1) {
    const load = startLoad({
      url: server.url,
      ledger,
      clients: 6,
      seed: SEED + kill * 101,
      round: `k${kill}`,
    })
    await sleep(random.between(30, 900))
    const stopped = load.stop()
    await server.kill()
    await stopped
    unexpected.push(...load.unexpected)
    client.close()
    server = await startServer({ root })
    client = createRegistryClient(server.url)
    await verifyLedger({ client, ledger, findings })
    await resumeUploads({ client, ledger, findings, mayVanish: false })
    await verifyStillLife(client, stillLife, findings)
  }
  await verifyLedger({ client, ledger, findings, all: true })
  const integrity = await client.listTags(APP)
  client.close()
  await server.stop()
  context.diagnostic(`${KILLS} kills, ${ledger.acknowledgements()} acknowledgements, ${summaryOf(findings)}`)
  assertNothingLost(findings, `seed ${SEED}, ${summaryOf(findings)}`)
  assert.equal(findings.rewound, 0, 'bytes that a 202 acknowledged were forgotten')
  assert.deepEqual(unexpected.slice(0, 10), [], 'answers that no client should see')
  assert.ok(integrity && integrity.length >= 300)
})
