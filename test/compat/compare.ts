/**
 * Compares Berth with CNCF Distribution: both get the same configuration and the same requests in empty folders.
 *
 *   node test/compat/compare.ts               all configurations; what differs and is not meant to, is told
 *   node test/compat/compare.ts PART          configurations whose name has PART
 *   node test/compat/compare.ts --record      writes Distribution's answers down for compat.test.ts
 *
 * BERTH_COMPAT_PEER is Distribution's program; `registry` on the PATH without it.
 */
import { writeFileSync } from 'node:fs'
import { createCertificates } from '../../src/serving/certificates.fixture.ts'
import { differencesOf, told } from './compare-answers.ts'
import { compareUnder, playUnder } from './compare-under.ts'
import { CONFIGURATIONS } from './configurations.ts'
import { berth, findPeer, type Program } from './launch.ts'
import { RECORDED, recordOf } from './recorded.ts'

process.exitCode = await main(process.argv.slice(2))

async function main([argument]: readonly string[]): Promise<number> {
  const peer = findPeer()
  if (peer === undefined) {
    process.stderr.write('there is no peer: name it by BERTH_COMPAT_PEER, or put registry on the PATH\n')
    return 2
  }
  return argument === '--record' ? record(peer) : compare(peer, argument ?? '')
}

async function record(peer: Program): Promise<number> {
  const stock = CONFIGURATIONS[0]
  if (stock === undefined) return 2
  const [once, again] = [await playUnder(peer, stock), await playUnder(peer, stock)]
  if (typeof once === 'string' || typeof again === 'string') return 2
  const unsteady = differencesOf(once, again)
  for (const one of unsteady) process.stdout.write(`not always the same: ${told(one)}\n`)
  if (unsteady.length > 0) return 1
  writeFileSync(RECORDED, recordOf(once))
  process.stdout.write(`${once.size} answers recorded\n`)
  return 0
}

async function compare(peer: Program, part: string): Promise<number> {
  const certificates = await createCertificates()
  const total = { configurations: 0, requests: 0, differences: 0, wrong: 0 }
  try {
    const tls = await certificates.issue('server', await certificates.authority('authority'))
    for (const one of CONFIGURATIONS.filter(({ name }) => name.includes(part))) {
      const outcome = await compareUnder(one, { peer, berth }, tls)
      total.configurations++
      total.requests += outcome.requests
      total.differences += outcome.expected
      total.wrong += outcome.wrong.length
      const good = outcome.wrong.length === 0
      process.stdout.write(
        `${good ? 'ok  ' : 'DIFF'} ${one.name}: ${outcome.start}, ${outcome.requests} requests\n`,
      )
      for (const line of outcome.wrong) process.stdout.write(`  ${line}\n`)
      if (one === CONFIGURATIONS[0]) for (const line of outcome.reasons) process.stdout.write(`  ${line}\n`)
    }
  } finally {
    await certificates.remove()
  }
  const { configurations, requests, differences, wrong } = total
  process.stdout.write(
    `\n${configurations} configurations, ${requests} requests to each; ${differences} differences are meant, ${wrong} are not\n`,
  )
  return wrong === 0 ? 0 : 1
}
