/**
 * Backups of a registry at work: a moment that is whole, whatever is pushed, deleted and collected meanwhile; what a
 * kill, a full disk or a damaged copy leave; the way back, served again.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import {
  createReadStream,
  existsSync,
  globSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import test from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createFilesystemBlobStore } from '../../src/blobs/filesystem/store.ts'
import { collectGarbage } from '../../src/jobs/collect-garbage.ts'
import { removeGarbage } from '../../src/jobs/remove-garbage.ts'
import { silentLogger } from '../../src/lib/logger.ts'
import { openMetadata } from '../../src/metadata/open-metadata.ts'
import { blobOf, digestOf, imageOf } from '../lib/content.ts'
import { createRegistryClient, expectStatus, type RegistryClient } from '../lib/registry-client.ts'
import { startServer } from '../lib/start-server.ts'
import { afterwards, temporaryFolder } from '../lib/temporary.ts'
import { cannotMount } from '../lib/prerequisite.ts'
import { createLedger } from './ledger.ts'
import { startLoad } from './load.ts'
import { mountTmpfs, unmount } from './mounts.ts'

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname
const DAY = 86_400_000

type Ran = { code: number | null; out: string; err: string }

function start(
  args: string[],
  root: string,
  input?: NodeJS.ReadableStream,
): { child: ChildProcess; ended: Promise<Ran> } {
  const env = { ...process.env, REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: root }
  const child = spawn(process.execPath, [MAIN, ...args], { env, stdio: ['pipe', 'pipe', 'pipe'] })
  if (input === undefined) child.stdin.end()
  else input.pipe(child.stdin)
  child.stdin.on('error', () => undefined)
  const [out, err]: [Buffer[], Buffer[]] = [[], []]
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
  const ended = new Promise<Ran>((resolve) =>
    child.once('close', (code) =>
      resolve({ code, out: Buffer.concat(out).toString('latin1'), err: Buffer.concat(err).toString() }),
    ),
  )
  return { child, ended }
}

async function berth(args: string[], root: string, code = 0, input?: NodeJS.ReadableStream): Promise<Ran> {
  const ran = await start(args, root, input).ended
  assert.equal(ran.code, code, `berth ${args.join(' ')}: ${ran.out.slice(0, 3000)}${ran.err}`)
  return ran
}

type Tag = { repository: string; tag: string; digest: string }

/** What a backup's rows say was tagged at its moment. */
function tagsOf(database: string): Tag[] {
  const db = new DatabaseSync(database, { readOnly: true })
  const rows = db
    .prepare(
      `SELECT r.name AS repository, t.name AS tag, lower(hex(substr(t.digest, 2))) AS hex FROM tags t JOIN repositories r ON r.id = t.repository_id`,
    )
    .all() as { repository: string; tag: string; hex: string }[]
  db.close()
  return rows.map(({ repository, tag, hex }) => ({ repository, tag, digest: `sha256:${hex}` }))
}

/** Every tag with all its blobs, byte for byte. @returns how many blobs were pulled */
async function pullAll(client: RegistryClient, tags: readonly Tag[]): Promise<number> {
  let blobs = 0
  for (const { repository, tag, digest } of tags) {
    const manifest = expectStatus(await client.getManifest(repository, tag), 200)
    assert.equal(digestOf(manifest.body), digest)
    const { config, layers } = JSON.parse(manifest.body.toString()) as Record<
      'config',
      { digest: string }
    > & { layers: { digest: string }[] }
    for (const named of [config, ...layers]) {
      const blob = expectStatus(await client.getBlob(repository, named.digest), 200)
      assert.equal(digestOf(blob.body), named.digest)
      blobs++
    }
  }
  return blobs
}

async function serveAndPull(root: string, tags: readonly Tag[]): Promise<number> {
  const server = await startServer({ root })
  const client = createRegistryClient(server.url)
  try {
    return await pullAll(client, tags)
  } finally {
    client.close()
    await server.stop()
  }
}

async function pushImage(
  client: RegistryClient,
  repository: string,
  tag: string,
  size = 5000,
): Promise<void> {
  const [config, layer] = [blobOf(`${repository}:${tag} config`, 200), blobOf(`${repository}:${tag}`, size)]
  for (const blob of [config, layer]) expectStatus(await client.pushBlob(repository, blob, 'post'), 201)
  expectStatus(await client.putManifest(repository, tag, imageOf(config, [layer])), 201)
}

const newestOf = (folder: string): string =>
  join(
    folder,
    'backups',
    readdirSync(join(folder, 'backups'))
      .filter((name) => name.endsWith('Z'))
      .sort()
      .at(-1) as string,
  )

/** Another process that collects without pause, as if days had gone by: no lease and no keep holds anything. */
function collectWithoutPause(root: string): { stop(): Promise<{ removed: number }> } {
  const controller = new AbortController()
  const run = async (): Promise<{ removed: number }> => {
    const metadata = openMetadata({ folder: join(root, 'berth'), version: 'collector' })
    const store = await createFilesystemBlobStore({ root })
    const parts = { db: metadata.db, store, log: silentLogger, now: () => Date.now() + 3 * DAY }
    // Files go by the clock that holds go by.
    const removal = { ...parts, now: () => Date.now() }
    let removed = 0
    while (!controller.signal.aborted) {
      await collectGarbage(parts, { keepMs: 0 }, controller.signal)
      // What the other clock called garbage is so now.
      await metadata.db.write({
        steps: [
          { statement: { name: 'now', sql: `UPDATE objects SET delete_after = 0 WHERE state = 'garbage'` } },
        ],
        params: {},
        touches: [],
      })
      removed += await removeGarbage(removal, controller.signal)
      await sleep(50)
    }
    await store.close()
    await metadata.db.close()
    return { removed }
  }
  const running = run()
  return {
    async stop() {
      controller.abort()
      return running
    },
  }
}

test(
  'a backup under load, deletes and collection is one whole moment',
  { timeout: 180_000 },
  async (context) => {
    const root = temporaryFolder(context, 'backup-from')
    const [to, restored, tar, unpacked] = ['to', 'restored', 'one.tar', 'from-tar'].map((name) =>
      join(temporaryFolder(context, 'backup'), name),
    ) as [string, string, string, string]
    const server = await startServer({ root })
    afterwards(context, () => server.kill())
    const client = createRegistryClient(server.url)
    for (let n = 0; n < 40; n++) await pushImage(client, 'still', `v${n}`)
    const load = startLoad({ url: server.url, ledger: createLedger(), clients: 4, seed: 7, round: 'b' })
    const collector = collectWithoutPause(root)
    await sleep(800)
    await berth(['backup', to], root)
    await sleep(300)
    const second = await berth(['backup', to, '--json'], root)
    await berth(['backup', tar], root)
    await load.stop()
    const { removed } = await collector.stop()
    assert.ok(removed > 0, 'files were removed meanwhile')
    client.close()
    await server.stop()

    const record = JSON.parse(second.out) as { rows: { blobs: number }; copied: { blobs: number } }
    assert.ok(record.copied.blobs < record.rows.blobs - 40, 'what was there was not copied again')
    await berth(['backup', 'verify', to], root)
    await berth(['backup', 'verify', tar], root)
    const tags = tagsOf(join(newestOf(to), 'metadata.db'))
    assert.ok(tags.length > 45)
    await berth(['restore', to, '--to', restored, '--verify'], root)
    const blobs = await serveAndPull(restored, tags)
    await berth(['restore', '-', '--to', unpacked], root, 0, createReadStream(tar))
    const tarTags = tagsOf(join(unpacked, 'berth', 'metadata.db'))
    await serveAndPull(unpacked, tarTags)
    context.diagnostic(
      `${tags.length} tags and ${blobs} blobs pulled from the folder, ${tarTags.length} tags from the tar; ${removed} files removed meanwhile`,
    )
  },
)

test(
  'incremental, chosen by date, pruned, tampered with, and refused where it would hurt',
  { timeout: 120_000 },
  async (context) => {
    const root = temporaryFolder(context, 'backup-from')
    const base = temporaryFolder(context, 'backup')
    const to = join(base, 'to')
    const server = await startServer({ root })
    afterwards(context, () => server.kill())
    const client = createRegistryClient(server.url)
    for (let n = 0; n < 5; n++) await pushImage(client, 'a', `v${n}`)
    await berth(['backup', to], root)
    const first = readdirSync(join(to, 'backups'))[0] as string
    await pushImage(client, 'a', 'v5', 300_000)
    const second = JSON.parse((await berth(['backup', to, '--json'], root)).out) as {
      copied: unknown
      at: string
    }
    assert.deepEqual(second.copied, { blobs: 2, bytes: 300_200 }, 'only what is new')
    client.close()
    await server.stop()
    // Stopped, it is backed up as well; nothing is new.
    const third = JSON.parse((await berth(['backup', to, '--json'], root)).out) as { copied: unknown }
    assert.deepEqual(third.copied, { blobs: 0, bytes: 0 })
    assert.match((await berth(['backup', 'list', to], root)).out, /^(.*1 repositories, [56] tags, .*\n){3}$/)

    const old = join(base, 'old')
    await berth(
      [
        'restore',
        to,
        '--to',
        old,
        '--at',
        readdirSync(join(to, 'backups'))
          .sort()[0]
          ?.replace(/T(\d\d)-(\d\d)-(\d\d)-(\d{3})Z/, 'T$1:$2:$3.$4Z') as string,
      ],
      root,
    )
    assert.equal(tagsOf(join(old, 'berth', 'metadata.db')).length, 5)
    await serveAndPull(old, tagsOf(join(old, 'berth', 'metadata.db')))

    for (const [args, code, message] of [
      [['backup', join(root, 'inside')], 1, /lie in each other/],
      [['backup', base], 1, /is not empty, and has no backups/],
      [['restore', to, '--to', old], 1, /is not empty/],
      [['restore', base, '--to', join(base, 'x')], 1, /has no backups of Berth/],
      [
        ['restore', to, '--to', join(base, 'x'), '--at', '2020-01-01'],
        1,
        /no backup of that time or earlier.*; there are: 20/,
      ],
      [['restore', to, '--to', join(base, 'x'), '--at', 'yesterday'], 2, /--at takes a date/],
      [['restore', MAIN, '--to', join(base, 'x')], 1, /no whole tar archive/],
      [['restore', to], 2, /--to FOLDER/],
      [['backup'], 2, /where to\?/],
      [['backup', 'prune', to], 2, /--keep N/],
      [['backup', 'list', base], 1, /has no backups of Berth/],
      [['backup', join(MAIN, 'x')], 1, /not a folder|ENOTDIR/],
    ] as [string[], number, RegExp][]) {
      assert.match((await berth(args, root, code)).err, message)
    }
    assert.deepEqual(globSync('x/**/*.*', { cwd: base }), [])

    const images = tagsOf(join(newestOf(to), 'metadata.db'))
    const pruned = await berth(['backup', 'prune', to, '--keep', '1', '--dry-run'], root)
    assert.match(pruned.out, /^2 backups and 0 blobs .* would be removed, 1 backups stay/)
    await berth(['backup', 'prune', to, '--keep', '1'], root)
    assert.equal(existsSync(join(to, 'backups', first)), false)
    await berth(['backup', 'verify', to], root)

    const blobs = globSync('blobs/sha256/*/*', { cwd: to }).sort()
    const [flipped, gone] = blobs as [string, string]
    const bytes = readFileSync(join(to, flipped))
    bytes[3] = (bytes[3] as number) ^ 1
    writeFileSync(join(to, flipped), bytes)
    rmSync(join(to, gone))
    const found = await berth(['backup', 'verify', to], root, 1)
    assert.match(found.out, /2 blobs are gone or damaged/)
    assert.match(found.out, /  a:v\d/)
    const partial = join(base, 'partial')
    const lost = await berth(['restore', to, '--to', partial], root, 1)
    assert.match(lost.out, /2 blobs are missing/)
    // The next backup copies both again.
    const healed = JSON.parse((await berth(['backup', to, '--json'], root)).out) as {
      copied: { blobs: number }
    }
    assert.equal(healed.copied.blobs, 2)
    await berth(['backup', 'verify', to], root)
    await berth(['restore', to, '--to', join(base, 'whole')], root)
    await serveAndPull(join(base, 'whole'), images)

    const metadata = join(newestOf(to), 'metadata.db')
    const rows = readFileSync(metadata)
    rows[rows.length - 100] = (rows[rows.length - 100] as number) ^ 1
    writeFileSync(metadata, rows)
    assert.match((await berth(['backup', 'verify', to], root, 1)).out, /is damaged and cannot be restored/)
    assert.match(
      (await berth(['restore', to, '--to', join(base, 'y')], root, 1)).err,
      /is damaged: choose another backup/,
    )
  },
)

test(
  'a registry whose blob is damaged is backed up with what it has, and says so',
  { timeout: 60_000 },
  async (context) => {
    const root = temporaryFolder(context, 'backup-from')
    const base = temporaryFolder(context, 'backup')
    const server = await startServer({ root })
    afterwards(context, () => server.kill())
    const client = createRegistryClient(server.url)
    for (let n = 0; n < 3; n++) await pushImage(client, 'a', `v${n}`, 100_000)
    client.close()
    await server.stop()
    const [large] = globSync('berth/objects/*/*', { cwd: root }).filter(
      (name) => statSync(join(root, name)).size > 50_000,
    )
    const path = join(root, large as string)
    const bytes = readFileSync(path)
    bytes[70_000] = (bytes[70_000] as number) ^ 1
    writeFileSync(path, bytes)
    for (const [to, source] of [
      [join(base, 'folder'), join(base, 'folder')],
      [join(base, 'one.tar'), join(base, 'one.tar')],
    ] as const) {
      const ran = await berth(['backup', to], root, 1)
      assert.match(
        ran.out,
        /1 blobs could not be copied[^]*sha256:[0-9a-f]{64} damaged\nimages that are not complete:\n  a:v\d\n$/,
      )
      const target = `${to}-restored`
      assert.match(
        (await berth(['restore', source, '--to', target], root, 1)).out,
        /1 blobs are missing[^]*  a:v\d/,
      )
      const again = await startServer({ root: target })
      const reader = createRegistryClient(again.url)
      const broken = tagsOf(join(target, 'berth', 'metadata.db'))
      let whole = 0
      for (const tag of broken)
        whole += await pullAll(reader, [tag]).then(
          () => 1,
          () => 0,
        )
      assert.equal(whole, 2)
      // A push of the same heals it.
      for (let n = 0; n < 3; n++) await pushImage(reader, 'a', `v${n}`, 100_000)
      await pullAll(reader, broken)
      reader.close()
      await again.stop()
    }
  },
)

test('killed backups and restores leave what was whole, and go on', { timeout: 180_000 }, async (context) => {
  const root = temporaryFolder(context, 'backup-from')
  const base = temporaryFolder(context, 'backup')
  const [to, restored] = [join(base, 'to'), join(base, 'restored')]
  const server = await startServer({ root })
  afterwards(context, () => server.kill())
  const client = createRegistryClient(server.url)
  for (let n = 0; n < 10; n++) await pushImage(client, 'a', `v${n}`)
  await berth(['backup', to], root)
  for (let n = 10; n < 150; n++) await pushImage(client, 'a', `v${n}`, 40_000)
  client.close()
  /** Kills it a while after `begun` is true. @returns whether that was in time */
  const killed = async (args: string[], begun: () => boolean, afterMs: number): Promise<boolean> => {
    const { child, ended } = start(args, root)
    let code: number | null | undefined
    void ended.then((ran) => (code = ran.code))
    while (code === undefined && !begun()) await sleep(2)
    await sleep(afterMs)
    child.kill('SIGKILL')
    return (await ended).code === null
  }
  let kills = 0
  const isWriting = (): boolean => readdirSync(join(to, 'backups')).some((name) => name.endsWith('.part'))
  for (const afterMs of [0, 10, 40, 90, 150]) {
    if (await killed(['backup', to], isWriting, afterMs)) kills++
    assert.ok(readdirSync(join(to, 'backups')).some((name) => name.endsWith('Z')))
  }
  await berth(['backup', 'verify', to], root)
  await berth(['backup', to], root)
  assert.equal(globSync('**/*.part', { cwd: to }).length, 0)
  await berth(['backup', 'verify', to], root)
  const tags = tagsOf(join(newestOf(to), 'metadata.db'))
  assert.equal(tags.length, 150)
  let interrupted = 0
  const isRestoring = (): boolean => existsSync(join(restored, 'berth', 'restoring.json'))
  for (const afterMs of [0, 20, 60, 120]) {
    if (!(await killed(['restore', to, '--to', restored], isRestoring, afterMs))) break
    if (!isRestoring()) continue
    interrupted++
    assert.match(
      (await berth(['serve'], restored, 1)).err,
      /did not end: run it again, it goes on where it was/,
    )
    assert.match((await berth(['rebuild'], restored, 1)).err, /did not end: run it again/)
  }
  if (!existsSync(join(restored, 'berth', 'metadata.db')))
    await berth(['restore', to, '--to', restored], root)
  assert.ok(kills > 0 && interrupted > 0, 'some were killed in time')
  await serveAndPull(restored, tags)
  context.diagnostic(`${kills} backups and ${interrupted} restores were killed`)
})

test(
  'a full disk ends a backup, and the earlier ones stay',
  { skip: cannotMount(), timeout: 60_000 },
  async (context) => {
    const root = temporaryFolder(context, 'backup-from')
    const small = temporaryFolder(context, 'backup-small')
    const server = await startServer({ root })
    afterwards(context, () => server.kill())
    const client = createRegistryClient(server.url)
    await pushImage(client, 'a', 'v0', 100_000)
    mountTmpfs(small, 12)
    afterwards(context, () => unmount(small))
    const to = join(small, 'to')
    await berth(['backup', to], root)
    for (let n = 1; n < 5; n++) await pushImage(client, 'a', `v${n}`, 3_000_000)
    client.close()
    const full = await berth(['backup', to], root, 1)
    assert.match(full.err, /make room|Make room/)
    assert.equal(readdirSync(join(to, 'backups')).filter((name) => name.endsWith('Z')).length, 1)
    await berth(['backup', 'verify', to], root)
    const restored = join(temporaryFolder(context, 'backup'), 'restored')
    await berth(['restore', to, '--to', restored], root)
    assert.equal(await serveAndPull(restored, tagsOf(join(newestOf(to), 'metadata.db'))), 2)
  },
)
