/** `berth gc` and `berth garbage-collect` on a folder, beside the process that made it and without one. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { type TestContext, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { createFilesystemBlobStore } from '../blobs/filesystem/store.ts'
import { silentLogger } from '../lib/logger.ts'
import { removeGarbage } from '../jobs/remove-garbage.ts'
import { LEASE_MS } from '../metadata/blob-links.ts'
import { takeHold } from '../metadata/removal-holds.ts'
import { beginTakeover } from '../metadata/takeover.ts'
import {
  createFixture,
  type Fixture,
  pushBlob,
  pushImage,
  repository,
  sha256,
  tag,
} from '../registry/hosted-fixtures.ts'
import type { Command } from './command.ts'
import { command as garbageCollect } from './garbage-collect.ts'
import { command as gc } from './gc.ts'

const DAY = 86_400_000
const A = repository('a')

type Data = { folder: string; config: string; f: Fixture }

/** A registry over a folder, in this process, with the clock of the machine. */
async function dataOf(test: TestContext, keep = '24h'): Promise<Data> {
  const folder = mkdtempSync(join(tmpdir(), 'berth-gc-'))
  const root = join(folder, 'data')
  const store = await createFilesystemBlobStore({ root, log: silentLogger })
  const f = createFixture({}, { folder: join(root, 'berth'), store })
  f.clock.advance(Date.now() - f.clock.now())
  const config = join(folder, 'config.yml')
  const settings = { version: 0.1, storage: { filesystem: { rootdirectory: root } }, http: { addr: ':0' } }
  writeFileSync(config, JSON.stringify({ ...settings, trash: { keep } }))
  test.after(async () => {
    await f.close()
    await store.close()
    rmSync(folder, { recursive: true })
  })
  return { folder, config, f }
}

async function run(command: Command, args: string[], env: NodeJS.ProcessEnv = {}) {
  const stdout = new PassThrough()
  const stderr = new PassThrough()
  const [out, err] = [text(stdout), text(stderr)]
  const code = await command.run(args, { env, stdout, stderr })
  stdout.end()
  stderr.end()
  return { code, out: await out, err: await err }
}

/** Second copies of what was pushed twice go, as the registry's own task does it. */
async function tidy({ f }: Data): Promise<void> {
  const parts = { db: f.metadata.db, store: f.store, log: silentLogger, now: Date.now }
  await removeGarbage(parts, new AbortController().signal)
}

/** As if everything had been done so much earlier. */
function age({ folder }: Data, ms: number): void {
  const db = new DatabaseSync(join(folder, 'data/berth/metadata.db'))
  db.exec(`UPDATE blob_links SET lease_until = lease_until - ${ms}, kept_until = kept_until - ${ms};
    UPDATE candidates SET due_at = due_at - ${ms}; UPDATE deletions SET at = at - ${ms}, until = until - ${ms};
    UPDATE manifests SET expires_at = expires_at - ${ms}, pushed_at = pushed_at - ${ms}`)
  db.close()
}

function files({ folder }: Data): number {
  const objects = join(folder, 'data/berth/objects')
  return readdirSync(objects, { recursive: true, withFileTypes: true }).filter((one) => one.isFile()).length
}

/** Two images that share a layer; the first is deleted, and its time is over. */
async function oneDeleted(data: Data): Promise<void> {
  const { f } = data
  const gone = await pushImage(f, A, ['v1', 'stable'], ['base', 'x'.repeat(2000)])
  await pushImage(f, A, ['v2'], ['base'])
  await f.registry.deleteManifest(f.call, A, gone)
  await tidy(data)
  age(data, 3 * DAY)
}

test('gc removes what is due beside the running registry, and frees its files', async (t) => {
  const data = await dataOf(t)
  await oneDeleted(data)
  assert.equal(files(data), 3)
  const { code, out, err } = await run(gc, ['--config', data.config])
  assert.deepEqual([code, err], [0, ''])
  assert.match(out, /^Now: 1 manifest, 1 link of a blob to a repository, 1 blob: 2\.0 KiB on the disk\.$/m)
  assert.match(out, /^Removed 1 manifest, .*, 1 blob\. Freed 2\.0 KiB in 1 file\.$/m)
  assert.equal(files(data), 2)
  const { size } = await data.f.registry.statBlob(data.f.call, A, sha256('base'))
  assert.equal(size, 4)
  const again = await run(gc, ['--config', data.config, '--now'])
  assert.match(again.out, /^Removed 0 manifests.* Freed 0 B in 0 files\.\n$/)
})

test('a dry run lists and keeps a plan; the plan frees as much, once', async (t) => {
  const data = await dataOf(t)
  await oneDeleted(data)
  const dry = await run(gc, ['-c', data.config, '--dry-run'])
  assert.equal(dry.code, 0)
  assert.match(
    dry.out,
    /^a\n {2}manifest sha256:\w{64} .* was (stable, v1|v1, stable)\n {2}link .*\nFiles that go\n {2}blob /,
  )
  assert.match(dry.out, /^Would remove .*: 2\.0 KiB on the disk\. Nothing was removed\.$/m)
  assert.equal(files(data), 3)
  const id = /gc --plan (\d+)/.exec(dry.out)?.[1] as string
  const done = await run(gc, ['-c', data.config, '--plan', id, '--json'])
  const { planned, removed, freed, skipped } = JSON.parse(done.out) as Record<string, Record<string, unknown>>
  assert.deepEqual(removed, planned)
  assert.deepEqual(freed, { files: 1, bytes: 2000 })
  assert.deepEqual(skipped, { count: 0, gone: 0, first: [] })
  assert.equal(files(data), 2)
  const again = await run(gc, ['-c', data.config, '--plan', id])
  assert.match(again.out, /^Removed 0 manifests/m)
})

test('a plan says what has changed since, and leaves it', async (t) => {
  const data = await dataOf(t)
  const { f } = data
  const kept = await pushImage(f, A, ['v1'], ['one'])
  await pushImage(f, A, ['v2'], ['two'])
  await pushBlob(f, A, 'asked for again')
  for (const name of ['v1', 'v2']) await f.registry.deleteTag(f.call, A, tag(name))
  age(data, 3 * DAY)
  const dry = await run(gc, ['-c', data.config, '--dry-run', '--json'])
  const { plan, items } = JSON.parse(dry.out) as { plan: number; items: { kind: string }[] }
  assert.deepEqual(items.map(({ kind }) => kind).sort(), [
    ...Array<string>(4).fill('blob'),
    ...Array<string>(4).fill('link'),
    'manifest',
    'manifest',
  ])
  await pushImage(f, A, ['again'], ['one'])
  await pushBlob(f, A, 'asked for again')
  const done = await run(gc, ['-c', data.config, '--plan', String(plan)])
  assert.equal(done.code, 0)
  assert.ok(done.out.includes(`skipped: manifest a ${kept}: tag again names it now`), done.out)
  assert.ok(done.out.includes(`skipped: link a ${sha256('one')}: a manifest names it`), done.out)
  assert.match(done.out, /skipped: link a \S+: pushed, mounted or asked for again: promised until 2/)
  assert.ok(done.out.includes(`skipped: blob ${sha256('one')}: repository a has it again`), done.out)
  assert.match(done.out, /^Removed 1 manifest, 1 link of a blob to a repository, 1 blob\./m)
  assert.equal(files(data), 3)
})

test('emptying the trash frees now what is in it, but for what a client was promised', async (t) => {
  const data = await dataOf(t)
  const { f } = data
  await pushImage(f, A, ['old'], ['old layer'])
  age(data, LEASE_MS)
  await pushImage(f, A, ['new'], ['new layer'])
  for (const name of ['old', 'new']) await f.registry.deleteTag(f.call, A, tag(name))
  const dry = await run(gc, ['-c', data.config, '--dry-run', '--empty-trash', '--json'])
  const { planned } = JSON.parse(dry.out) as { planned: object }
  assert.deepEqual(planned, { manifests: 2, links: 1, blobs: 1, bytes: 9 })
  assert.match((await run(gc, ['-c', data.config])).out, /^Removed 0 manifests/m)
  const done = await run(gc, ['-c', data.config, '--empty-trash'])
  assert.equal(done.code, 0)
  assert.match(done.out, /^Trash: 2 deletions can no longer be restored\.$/m)
  assert.ok(done.out.includes(`blob a ${sha256('new layer')}`), done.out)
  assert.match(done.out, /stays until 2.*as a client was promised/)
  assert.match(
    done.out,
    /^Removed 2 manifests, 1 link of a blob to a repository, 1 blob\. Freed 9 B in 1 file\.$/m,
  )
})

test('while somebody reads the files they stay, and that is said; before a takeover is complete nothing goes', async (t) => {
  const data = await dataOf(t)
  await oneDeleted(data)
  const { db } = data.f.metadata
  await takeHold(db, 'backup to /mnt', Date.now(), 60_000)
  const held = await run(gc, ['-c', data.config])
  assert.equal(held.code, 0)
  assert.match(
    held.out,
    /^Removed 1 manifest, .* Freed 0 B in 0 files\.\nNo file is removed before 2.*\(backup to \/mnt\)/m,
  )
  assert.equal(files(data), 3)

  const other = await dataOf(t)
  await beginTakeover(other.f.metadata.db, Date.now())
  for (const [command, args] of [
    [gc, ['-c', other.config]],
    [gc, ['-c', other.config, '--dry-run']],
    [garbageCollect, [other.config]],
  ] as const) {
    const { code, err } = await run(command, [...args])
    assert.equal(code, 1)
    assert.match(err, /still being taken over/)
  }
})

test('two at once share the work', async (t) => {
  const data = await dataOf(t)
  for (let image = 0; image < 40; image++) await pushImage(data.f, A, [`v${image}`], [`layer ${image}`])
  for (let image = 0; image < 40; image++) await data.f.registry.deleteTag(data.f.call, A, tag(`v${image}`))
  age(data, 3 * DAY)
  const both = await Promise.all([1, 2].map(() => run(gc, ['-c', data.config, '--now', '--json'])))
  const sums = both.map(({ out }) => (JSON.parse(out) as { removed: Record<string, number> }).removed)
  assert.equal(
    sums.reduce((sum, one) => sum + (one['manifests'] as number), 0),
    40,
  )
  assert.equal(
    sums.reduce((sum, one) => sum + (one['blobs'] as number), 0),
    41,
  )
  assert.equal(files(data), 0)
})

test('wrong use is said and ends with 2; what is not there with 1', async (t) => {
  const data = await dataOf(t)
  const table: [Command, string[], number, RegExp][] = [
    [gc, ['extra'], 2, /what is "extra"/],
    [gc, ['--plan', 'x'], 2, /--plan takes a number/],
    [gc, ['--plan', '1', '--unused'], 2, /no other option/],
    [gc, ['--now', '--dry-run'], 2, /exclude each other/],
    [gc, ['--rate', '-1'], 2, /rate/],
    [gc, ['-c', data.config, '--plan', '77'], 1, /there is no plan 77/],
    [garbageCollect, ['--nope', data.config], 2, /unknown flag: --nope/],
    [garbageCollect, ['-x', data.config], 2, /unknown flag: -x/],
    [garbageCollect, [data.config, 'more'], 2, /one configuration file/],
    [garbageCollect, ['--quiet=maybe', data.config], 2, /neither true nor false/],
    [garbageCollect, [join(data.folder, 'absent.yml')], 1, /absent\.yml/],
  ]
  for (const [command, args, code, message] of table) {
    const result = await run(command, args)
    assert.deepEqual([result.code, result.out], [code, ''], args.join(' '))
    assert.match(result.err, message)
  }
})

test("garbage-collect takes Distribution's arguments in any order and speaks its words", async (t) => {
  const data = await dataOf(t)
  await oneDeleted(data)
  const untagged = await pushImage(data.f, A, [], ['never tagged'])
  await tidy(data)
  age(data, 2 * DAY)
  for (const args of [
    ['-d', '-m', data.config],
    [data.config, '-dm'],
    ['--delete-untagged', data.config, '--dry-run=true', '-q=false'],
  ]) {
    const { code, out } = await run(garbageCollect, args)
    assert.equal(code, 0, args.join(' '))
    // The layer of the untagged image is named until that is gone from the trash.
    assert.match(out, /^3 blobs marked, 1 blobs and 2 manifests eligible for deletion$/m)
    assert.ok(out.includes(`manifest eligible for deletion: {a ${untagged} []}\n`), out)
    assert.match(out, /^blob eligible for deletion: sha256:\w{64}$/m)
    assert.match(out, /^a: layer link eligible for deletion: sha256:\w{64}$/m)
    assert.equal(files(data), 4)
  }
  const done = await run(garbageCollect, [data.config, '-m'])
  assert.equal(done.code, 0)
  assert.match(done.out, /^freed 2\.0 KiB in 1 file$/m)
  assert.match(done.out, /^1 untagged manifest deleted: in the trash until 2/m)
  assert.equal(files(data), 3)
  age(data, 2 * DAY)
  const quiet = await run(garbageCollect, ['-q'], { REGISTRY_CONFIGURATION_PATH: data.config })
  assert.deepEqual(quiet, { code: 0, out: '', err: '' })
  assert.equal(files(data), 2)
})

test('-m leaves children of tagged indexes and referrers of what stays, and takes those of what goes', async (t) => {
  const data = await dataOf(t)
  const { f } = data
  const subject = (digest: string) => ({
    subject: { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size: 1 },
  })
  const child = await pushImage(f, A, [], ['child'])
  const mediaType = 'application/vnd.oci.image.index.v1+json'
  const index = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType,
      manifests: [{ mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: child, size: 1 }],
    }),
  )
  await f.registry.putManifest(f.call, A, { mediaType, bytes: index, tags: [tag('multi')] })
  const signature = await pushImage(f, A, [], ['signature'], subject(child))
  const untagged = await pushImage(f, A, [], ['untagged'])
  const itsSignature = await pushImage(f, A, [], ['its signature'], subject(untagged))
  age(data, 2 * DAY)
  const now = await pushImage(f, A, [], ['pushed right now'])
  const { out } = await run(garbageCollect, [data.config, '-m'])
  assert.match(out, /^1 untagged manifest deleted/m)
  age(data, 2 * DAY)
  await run(gc, ['-c', data.config])
  const isThere = async (digest: typeof child): Promise<boolean> => {
    try {
      await f.registry.statManifest(f.call, A, { kind: 'digest', digest })
      return true
    } catch {
      return false
    }
  }
  const there = await Promise.all([child, signature, untagged, itsSignature, now].map(isThere))
  assert.deepEqual(there, [true, true, false, false, true])
})

test('Ctrl-C ends it early, all that is left is whole, and the next run goes on', async (t) => {
  const data = await dataOf(t)
  const { f } = data
  for (let image = 0; image < 50; image++)
    await pushImage(f, A, [`v${image}`], ['base'], { annotations: { n: `${image}` } })
  await pushImage(f, A, ['kept'], ['base'])
  for (let image = 0; image < 50; image++) await f.registry.deleteTag(f.call, A, tag(`v${image}`))
  await tidy(data)
  age(data, 3 * DAY)
  // 32 at a time, and two seconds between.
  const main = new URL('../main.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [main, 'gc', '-c', data.config, '--now', '--rate', '16'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [out, err] = [text(child.stdout), text(child.stderr)]
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const count = (): Promise<number> => contentsOf(f).then((rows) => rows.manifests)
  while ((await count()) === 51) await wait(20)
  child.kill('SIGINT')
  assert.equal(await ended, 1)
  assert.match(await err, /ended early; everything is whole/)
  const left = await count()
  assert.ok(left > 1 && left < 51, `${left} manifests left`)
  assert.match(await out, new RegExp(`^Removed ${51 - left} manifests`))
  // What it had claimed and not looked at is free again after a minute.
  age(data, 2 * DAY)
  assert.match((await run(gc, ['-c', data.config])).out, new RegExp(`^Removed ${left - 1} manifests?`, 'm'))
  assert.deepEqual(await contentsOf(f), { manifests: 1, links: 2, candidates: 0 })
})

async function contentsOf({
  metadata,
}: Fixture): Promise<{ manifests: number; links: number; candidates: number }> {
  const sql = `SELECT (SELECT count(*) FROM manifests) AS manifests, (SELECT count(*) FROM blob_links) AS links,
    (SELECT count(*) FROM candidates WHERE kind = 'blob') AS candidates`
  const [row] = await metadata.db.read({ name: 'contents of gc', sql, rows: true }, {})
  return { ...(row as { manifests: number; links: number; candidates: number }) }
}
