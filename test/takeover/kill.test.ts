/**
 * kill -9 of Berth at random instants of a takeover, while it is asked for what it has yet to import. After each
 * restart it answers as Distribution did, and in the end all is here, and nothing of the folder has changed.
 * BERTH_SLOW=1: 100 kills; BERTH_SEED repeats a run.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { bigName, writeBigFolder } from '../../src/takeover/takeover-fixtures.ts'
import { createRandom, type Random } from '../lib/content.ts'
import { createRegistryClient } from '../lib/registry-client.ts'
import { startServer, type TestServer } from '../lib/start-server.ts'
import { afterwards, temporaryFolder } from '../lib/temporary.ts'
import { askForAll, createLedger, differencesOfServed, fill, type Ledger, type Served } from './contents.ts'
import { isSameBlob } from './expected.ts'
import { PEERS, startPeer } from './peers.ts'
import { differencesOfFolders, dumpFolder } from './still-folder.ts'

const KILLS = Number(process.env['BERTH_KILLS'] ?? (process.env['BERTH_SLOW'] ? 100 : 10))
const SEED = Number(process.env['BERTH_SEED'] ?? Date.now() % 1_000_000)
const MAIN = new URL('../../src/main.ts', import.meta.url).pathname
const BIG = { repositories: 120, tags: 4, blobs: 3 }

const peer = PEERS.find(({ skip }) => skip === false)
const skip = peer === undefined && (PEERS.at(-1)?.skip ?? 'SKIPPED: no Distribution on this machine')

test(`${KILLS} kills of a takeover (seed ${SEED})`, { skip, timeout: 60_000 + KILLS * 10_000 }, async (t) => {
  if (peer === undefined) return
  const root = temporaryFolder(t, 'takeover-kill')
  const random = createRandom(SEED)
  const ledger = createLedger()
  writeBigFolder(root, BIG)
  const distribution = await startPeer(peer, root)
  afterwards(t, () => distribution.kill())
  const before = await filled(distribution, ledger)
  await distribution.stop()
  const lies = dumpFolder(join(root, 'docker'))
  const same = (after: Served): string[] =>
    differencesOfServed(before, after, (key, one, two) =>
      key === 'catalog' ? (two ?? '') === withoutBlobsAlone(one ?? '') : isSameBlob(key, one, two),
    )

  const seen = { early: 0, late: 0, complete: 0 }
  for (let kill = 1; kill <= KILLS; kill++) {
    if (random.next() < 0.3) {
      await killWhileStarting(root, random.between(50, 500))
      seen.early++
      continue
    }
    const server = await startServer({ root })
    afterwards(t, () => server.kill())
    const asking = ask(server, part(ledger, random))
    await sleep(random.between(0, 300))
    await server.kill()
    const answered = await asking
    assert.deepEqual(differencesOfServed(only(before, answered), answered, isSameBlob), [], `seed ${SEED}`)
    if (!server.log().includes('takeover complete')) seen.late++
    else {
      seen.complete++
      rmSync(join(root, 'berth'), { recursive: true })
    }
  }
  const server = await startServer({ root })
  afterwards(t, () => server.kill())
  for (const deadline = Date.now() + 60_000; !server.log().includes('takeover complete'); await sleep(20))
    assert.ok(Date.now() < deadline, server.log())
  const client = createRegistryClient(server.url)
  assert.deepEqual(same(await askForAll(client, ledger)), [], `seed ${SEED}`)
  client.close()
  await server.stop()
  assert.deepEqual(differencesOfFolders(lies, dumpFolder(join(root, 'docker'))), [])
  t.diagnostic(`seed ${SEED}: killed ${seen.early} times before and ${seen.late} times while it served`)
  assert.ok(seen.early + seen.late > seen.complete, 'most kills hit the takeover')
})

/** Fills it, and adds some of what was there before. */
async function filled(server: TestServer, ledger: Ledger): Promise<Served> {
  const client = createRegistryClient(server.url)
  await fill(client, ledger)
  for (let index = 0; index < BIG.repositories; index += 10) {
    const repository = bigName(index)
    ledger.repositories.add(repository)
    for (const tag of (await client.listTags(repository)) ?? []) ledger.tags.add(`${repository} ${tag}`)
  }
  const served = await askForAll(client, ledger)
  client.close()
  return served
}

/** Some of the ledger, in another order each time. */
function part(ledger: Ledger, random: Random): Ledger {
  const some = (all: Set<string>): Set<string> =>
    new Set([...all].filter(() => random.next() < 0.2).sort(() => random.next() - 0.5))
  return {
    blobs: some(ledger.blobs),
    manifests: some(ledger.manifests),
    tags: some(ledger.tags),
    repositories: some(ledger.repositories),
  }
}

/** @returns what was answered before the kill */
async function ask(server: TestServer, ledger: Ledger): Promise<Served> {
  const client = createRegistryClient(server.url)
  const served: Served = new Map()
  await askForAll(client, ledger, served).catch((error: unknown) => {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    if (!['ECONNRESET', 'ECONNREFUSED', 'EPIPE'].includes(code)) throw error
  })
  client.close()
  served.delete('catalog')
  return served
}

function only(before: Served, keys: Served): Served {
  return new Map([...before].filter(([key]) => keys.has(key)))
}

/** Distribution 2.8 lists what has only blobs. */
function withoutBlobsAlone(catalog: string): string {
  const names = JSON.parse(catalog) as string[]
  return JSON.stringify(names.filter((name) => !['blobs-alone', 'shared/one', 'unfinished'].includes(name)))
}

async function killWhileStarting(root: string, afterMs: number): Promise<void> {
  const file = join(root, 'config.json')
  const config = {
    version: 0.1,
    storage: { filesystem: { rootdirectory: root } },
    http: { addr: '127.0.0.1:0' },
  }
  writeFileSync(file, JSON.stringify(config))
  const child = spawn(process.execPath, [MAIN, 'serve', file], { stdio: 'ignore' })
  const ended = once(child, 'exit')
  await sleep(afterMs)
  child.kill('SIGKILL')
  await ended
}
