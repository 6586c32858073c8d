/**
 * The metadata database of a registry at work is lost after kill -9, and made again: every row is as it was, and what
 * was acknowledged is served.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import test from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { dumpDatabase } from '../../src/backup/dump.fixture.ts'
import { writeSnapshot } from '../../src/metadata/sqlite/snapshot.ts'
import { bigName, writeBigFolder } from '../../src/takeover/takeover-fixtures.ts'
import { createRegistryClient } from '../lib/registry-client.ts'
import { startServer, type TestServer } from '../lib/start-server.ts'
import { afterwards, temporaryFolder } from '../lib/temporary.ts'
import { createLedger } from './ledger.ts'
import { startLoad } from './load.ts'
import { pushStillLife, verifyStillLife } from './still-life.ts'
import { assertNothingLost, createFindings, summaryOf, verifyLedger } from './verify.ts'

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname

function berth(
  root: string,
  more: Record<string, string>,
  ...args: string[]
): { status: number | null; out: string; err: string } {
  const env = { ...process.env, REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: root, ...more }
  const ran = spawnSync(process.execPath, [MAIN, ...args], {
    env,
    encoding: 'utf8',
    timeout: 60_000,
  })
  return { status: ran.status, out: ran.stdout, err: ran.stderr }
}

const rebuild = (root: string, ...args: string[]) => berth(root, {}, 'rebuild', ...args)

function lose(database: string): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(`${database}${suffix}`, { force: true })
}

for (const withSnapshot of [true, false]) {
  const from = withSnapshot ? 'a snapshot and the journal' : 'the journal alone'
  test(`a lost database is made again from ${from}`, { timeout: 120_000 }, async (context) => {
    const root = temporaryFolder(context, 'rebuild')
    const folder = join(root, 'berth')
    const database = join(folder, 'metadata.db')
    const ledger = createLedger()
    let server = await startServer({ root })
    afterwards(context, () => server.kill())
    let client = createRegistryClient(server.url)
    const stillLife = await pushStillLife(client, 30)
    const running = rebuild(root)
    assert.deepEqual(
      [running.status, /a Berth is running on .*: end it first/.test(running.err)],
      [1, true],
      running.err,
    )
    const load = startLoad({ url: server.url, ledger, clients: 6, seed: 11, round: 'r' })
    await sleep(700)
    if (withSnapshot) {
      const folders = {
        databasePath: database,
        snapshots: join(folder, 'snapshots'),
        journal: join(folder, 'journal'),
      }
      writeSnapshot(folders, '')
    }
    await sleep(900)
    await load.stop()
    client.close()
    // Lines are written behind the answers: the last ones are on their way for a moment.
    await sleep(50)
    await server.kill()
    const lost = join(root, 'lost.db')
    for (const suffix of ['', '-wal']) {
      if (existsSync(`${database}${suffix}`)) copyFileSync(`${database}${suffix}`, `${lost}${suffix}`)
    }
    const before = dumpDatabase(lost)
    if (withSnapshot) lose(database)
    else writeFileSync(database, 'damaged, beyond any doubt and any repair')

    await assert.rejects(startServer({ root }), /"?berth rebuild/)
    const ran = rebuild(root)
    assert.equal(ran.status, 0, ran.out + ran.err)
    assert.match(ran.out, withSnapshot ? /from the snapshot / : /made from the journal alone/)
    assert.equal(/the old database is now .*aside/.test(ran.out), !withSnapshot)
    assert.deepEqual(dumpDatabase(database), before)
    assert.ok(readdirSync(folder).some((name) => /^rebuilt-.*\.json$/.test(name)))
    const again = rebuild(root)
    assert.deepEqual([again.status, /is whole: there is nothing to rebuild/.test(again.err)], [1, true])

    server = await startServer({ root })
    client = createRegistryClient(server.url)
    const findings = createFindings()
    await verifyLedger({ client, ledger, findings, all: true })
    await verifyStillLife(client, stillLife, findings)
    client.close()
    await server.stop()
    assertNothingLost(findings, summaryOf(findings))
    context.diagnostic(
      `${ledger.acknowledgements()} acknowledgements; ${before['manifests']?.length} manifests, ${before['tag_moves']?.length} moves of tags, ${before['deletions']?.length} deletions`,
    )
  })
}

test(
  'of a takeover all is read again, and what came after it is made again',
  { timeout: 120_000 },
  async (context) => {
    const root = temporaryFolder(context, 'rebuild-takeover')
    const database = join(root, 'berth', 'metadata.db')
    writeBigFolder(root, { repositories: 20, tags: 4, blobs: 3 })
    let server = await startServer({ root })
    afterwards(context, () => server.kill())
    await untilTakenOver(server)
    let client = createRegistryClient(server.url)
    const [name] = [bigName(0)]
    const [gone, kept] = (await client.listTags(name)) as [string, string]
    assert.equal((await client.deleteManifest(name, gone)).status, 202)
    const manifest = await client.getManifest(name, kept)
    const body = { bytes: manifest.body, digest: '', mediaType: String(manifest.headers['content-type']) }
    assert.equal((await client.putManifest(name, 'again', body)).status, 201)
    client.close()
    await sleep(50)
    await server.kill()
    const before = tagRows(database)
    lose(database)
    rmSync(join(root, 'berth', 'snapshots'), { recursive: true })
    const ran = rebuild(root)
    assert.equal(ran.status, 0, ran.out + ran.err)
    assert.deepEqual(tagRows(database), before)
    server = await startServer({ root })
    client = createRegistryClient(server.url)
    const tags = (await client.listTags(name)) as string[]
    assert.deepEqual([tags.includes(gone), tags.includes('again'), tags.includes(kept)], [false, true, true])
    client.close()
    await untilTakenOver(server)
    await server.stop()
    // Files that Distribution wrote are backed up as what they are, and restored as Berth's own.
    const [to, restored] = ['to', 'restored'].map((name) =>
      join(temporaryFolder(context, 'backup'), name),
    ) as [string, string]
    for (const args of [
      ['backup', to],
      ['restore', to, '--to', restored, '--verify'],
    ]) {
      const { status, out, err } = berth(root, {}, ...args)
      assert.equal(status, 0, out + err)
    }
    assert.deepEqual(tagRows(join(restored, 'berth', 'metadata.db')), before)
    assert.equal(existsSync(join(restored, 'docker')), false)
  },
)

async function untilTakenOver(server: TestServer): Promise<void> {
  for (let look = 0; !/takeover complete/.test(server.log()); look++) {
    assert.ok(look < 400, server.log())
    await sleep(50)
  }
}

function tagRows(database: string): string[] {
  const db = new DatabaseSync(database)
  const rows = db
    .prepare(
      'SELECT r.name, t.name AS tag, hex(t.digest) AS digest FROM tags t JOIN repositories r ON r.id = t.repository_id',
    )
    .all()
  db.close()
  return rows.map((row) => JSON.stringify(row)).sort()
}

test(
  'a database elsewhere: found in its usual place, lost with its disk, and whole',
  { timeout: 60_000 },
  async (context) => {
    const root = temporaryFolder(context, 'rebuild-path')
    const elsewhere = join(temporaryFolder(context, 'rebuild-ssd'), 'disk', 'berth.db')
    const server = await startServer({ root })
    afterwards(context, () => server.kill())
    const client = createRegistryClient(server.url)
    await pushStillLife(client, 3)
    client.close()
    await server.stop()
    const usual = join(root, 'berth', 'metadata.db')
    const before = dumpDatabase(usual)
    const moved = { REGISTRY_METADATA_PATH: elsewhere }
    await assert.rejects(startServer({ root, env: moved }), /To move it, end every Berth/)
    assert.match(berth(root, moved, 'rebuild').err, /has a database: .*metadata\.db\. Move that one there/)
    lose(usual)
    const ran = berth(root, moved, 'rebuild')
    assert.equal(ran.status, 0, ran.out + ran.err)
    assert.deepEqual(dumpDatabase(elsewhere), before)
    assert.equal(existsSync(usual), false)
    // Put aside and made again all the same.
    const forced = berth(root, moved, 'rebuild', '--force', '--json')
    assert.equal(
      (JSON.parse(forced.out) as { putAside: string }).putAside.startsWith(`${elsewhere}.aside-`),
      true,
    )
    assert.deepEqual(dumpDatabase(elsewhere), before)
  },
)
