/** A folder of Distribution behind the verbs of a registry: imported as it is asked for, and by the walk. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, renameSync, rmdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createFilesystemBlobStore } from '../blobs/filesystem/store.ts'
import type { Logger } from '../lib/logger.ts'
import { openMetadata } from '../metadata/open-metadata.ts'
import { createPullRecorder } from '../metadata/pulls.ts'
import { beginTakeover, findTakeover, listFindings, recordLinksWritten } from '../metadata/takeover.ts'
import { rowsOf } from '../metadata/metadata-fixtures.ts'
import type { Digest } from '../oci/digest.ts'
import type { RegistryError } from '../oci/error.ts'
import type { RepositoryName, Tag } from '../oci/reference.ts'
import { createHostedRegistry } from '../registry/hosted.ts'
import { chunkOf, createCall, defaultRules } from '../registry/hosted-fixtures.ts'
import { readAll } from '../registry/read-source.ts'
import type { Registry } from '../registry/registry.ts'
import { readParts } from './read-part.ts'
import {
  createDistributionFolder,
  type DistributionFolder,
  imageOf,
  indexOf,
  describe as describeContent,
  OCI_MANIFEST,
  sha256Of,
} from './takeover-fixtures.ts'
import { createTakeover, type Takeover } from './takeover.ts'
import { createTakeoverRegistry } from './takeover-registry.ts'
import { startWatch } from './watch.ts'

const call = createCall()
const named = (name: string): RepositoryName => name as RepositoryName
const byTag = (tag: string) => ({ kind: 'tag', tag: tag as Tag }) as const
const byDigest = (digest: Digest) => ({ kind: 'digest', digest }) as const

type Lines = Logger & { lines: string[] }

function collectLog(): Lines {
  const lines: string[] = []
  const line = (message: string, fields?: object): void =>
    void lines.push(`${message} ${fields === undefined ? '' : JSON.stringify(fields)}`)
  const log: Lines = {
    lines,
    enabled: () => true,
    error: line,
    warn: line,
    info: line,
    debug: line,
    with: () => log,
  }
  return log
}

/** One process on a folder. */
async function openProcess(root: string, options: { walks: boolean; lookAgainMs?: number }) {
  const metadata = openMetadata({ folder: join(root, 'berth'), version: 'test' })
  const { db, processId, boot } = metadata
  const store = await createFilesystemBlobStore({ root })
  const log = collectLog()
  await beginTakeover(db, Date.now())
  const now = (): number => Date.now()
  const takeover = createTakeover({
    db,
    processId,
    dataFolder: root,
    log,
    now,
    snapshot: metadata.snapshot,
    ...options,
  })
  const pulls = createPullRecorder(db, now)
  const hosted = createHostedRegistry({
    db,
    store,
    clock: { now },
    log,
    pulls,
    processId,
    boot,
    rules: defaultRules,
  })
  const registry: Registry = createTakeoverRegistry(hosted, takeover)
  return {
    db,
    log,
    takeover,
    registry,
    async close() {
      await takeover.close()
      await hosted.close()
      await store.close()
      await db.close()
    },
  }
}

type Process = Awaited<ReturnType<typeof openProcess>>

async function withFolder(work: (folder: DistributionFolder) => Promise<void>): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'berth-takeover-'))
  try {
    await work(createDistributionFolder(root))
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

/** Whatever files were just written are older than what comes now. */
const settle = (): Promise<void> => sleep(60)

async function withProcess(
  folder: DistributionFolder,
  options: { walks: boolean; lookAgainMs?: number },
  work: (process: Process) => Promise<void>,
): Promise<void> {
  const process = await openProcess(folder.root, options)
  try {
    await work(process)
  } finally {
    await process.close()
  }
}

async function completed(takeover: Takeover): Promise<void> {
  for (let round = 0; round < 1500 && !takeover.isComplete(); round++) await sleep(10)
  assert.ok(takeover.isComplete(), 'the takeover ends')
}

async function textOf(registry: Registry, name: string, digest: Digest): Promise<string> {
  const { source } = await registry.openBlob(call, named(name), digest, undefined)
  return (await readAll(source)).toString()
}

const codeOf = (code: string) => (error: RegistryError) => error.code === code

test('a repository is imported when it is named, whatever the verb', () =>
  withFolder(async (folder) => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'deep/er/app']
    for (const name of names) folder.image(name, 'v1', `config ${name}`, [`layer ${name}`, 'shared'])
    await withProcess(folder, { walks: false }, async ({ registry, db }) => {
      const manifest = (name: string) => imageOf(`config ${name}`, [`layer ${name}`, 'shared'])
      const found = await registry.getManifest(call, named('deep/er/app'), byTag('v1'))
      assert.equal(Buffer.from(found.bytes).toString(), manifest('deep/er/app'))
      assert.deepEqual(await registry.listTags(call, named('a'), { limit: 9 }), {
        names: ['v1'],
        more: false,
      })
      assert.equal(await textOf(registry, 'b', sha256Of('shared')), 'shared')
      assert.deepEqual(await registry.statBlob(call, named('c'), sha256Of('layer c')), { size: 7 })
      assert.equal(await registry.mountBlob(call, named('new'), sha256Of('layer d'), named('d')), 'mounted')
      await registry.deleteTag(call, named('e'), 'v1' as Tag)
      await registry.deleteManifest(call, named('f'), sha256Of(manifest('f')))
      await assert.rejects(
        async () => registry.getManifest(call, named('f'), byTag('v1')),
        codeOf('MANIFEST_UNKNOWN'),
      )
      await assert.rejects(registry.listTags(call, named('deep'), { limit: 9 }), codeOf('NAME_UNKNOWN'))
      await assert.rejects(
        async () => registry.getManifest(call, named('z'), byTag('v1')),
        codeOf('MANIFEST_UNKNOWN'),
      )
      const imported = await rowsOf(
        db,
        'SELECT name FROM repositories WHERE imported_at IS NOT NULL ORDER BY name',
      )
      assert.deepEqual(
        imported.map(({ name }) => name),
        ['a', 'b', 'c', 'd', 'deep/er/app', 'e', 'f'],
      )
    })
  }))

test('a push finds what Distribution had: layers are there, tags move, the history goes on', () =>
  withFolder(async (folder) => {
    const old = folder.image('a', 'v1', 'config', ['layer'], Date.now() - 50_000)
    await withProcess(folder, { walks: false }, async ({ registry, db }) => {
      const bytes = Buffer.from(imageOf('config', ['layer'], { annotations: { x: 'y' } }))
      await registry.putManifest(call, named('a'), { mediaType: OCI_MANIFEST, bytes, tags: ['v1' as Tag] })
      const now = await registry.getManifest(call, named('a'), byTag('v1'))
      assert.equal(now.digest, sha256Of(bytes))
      assert.equal((await registry.getManifest(call, named('a'), byDigest(old))).digest, old)
      const moves = await rowsOf(db, 'SELECT seq, cause FROM tag_moves ORDER BY seq')
      assert.deepEqual(moves, [
        { seq: 1, cause: 'import' },
        { seq: 2, cause: 'push' },
      ])
    })
  }))

test('the catalog is right from the first answer: what is here, what waits, what was deleted or made since', () =>
  withFolder(async (folder) => {
    const names = ['a', 'a/b', 'a-b', 'b/c', 'b/c/d', 'm', 'n', 'z']
    for (const name of names) folder.image(name, 'v1', 'config', ['layer'])
    folder.layer('unlisted', 'only a layer')
    folder.upload('uploads/only', '00000000-0000-4000-8000-000000000000', 'x', '2026-01-01T00:00:00Z')
    await withProcess(folder, { walks: false }, async ({ registry, db }) => {
      const expected = [...names].sort()
      const all = async (limit: number): Promise<string[]> => {
        const listed: string[] = []
        for (let after: string | undefined; ;) {
          const page = await registry.listRepositories(call, { limit, after })
          listed.push(...page.names)
          if (!page.more) return listed
          assert.equal(page.names.length, limit)
          after = page.names.at(-1)
        }
      }
      for (const limit of [1, 2, 3, 100]) assert.deepEqual(await all(limit), expected)
      for (const name of ['b/c', 'unlisted', 'a'])
        await registry.statBlob(call, named(name), sha256Of(name === 'unlisted' ? 'only a layer' : 'layer'))
      assert.deepEqual(await all(2), expected)
      const bytes = Buffer.from(imageOf('config', ['layer']))
      for (const content of ['config', 'layer'])
        await registry.putBlob(call, named('made/since'), sha256Of(content), chunkOf(content))
      await registry.putManifest(call, named('made/since'), { mediaType: OCI_MANIFEST, bytes, tags: [] })
      await registry.startUpload(call, named('only/an/upload'), undefined)
      assert.deepEqual(await all(2), [...expected, 'made/since'].sort())
      const found = await registry.searchRepositories(call, 'B', { limit: 10 })
      assert.deepEqual(found, { names: ['a-b', 'a/b', 'b/c', 'b/c/d'] })
      await db.write({
        steps: [{ statement: { name: 'x', sql: `UPDATE repositories SET deleted_at = 1 WHERE name = 'a'` } }],
        params: {},
        touches: ['*'],
      })
      assert.deepEqual(await all(3), [...expected.slice(1), 'made/since'].sort())
    })
  }))

test('those who ask at the same time share one import; a giant repository holds no other up', () =>
  withFolder(async (folder) => {
    folder.image('giant', 'v1', 'config', ['layer'])
    for (let one = 0; one < 300; one++) {
      const annotations = { number: `${one}`, padding: 'x'.repeat(20_000) }
      folder.manifest('giant', imageOf('config', ['layer'], { annotations }))
    }
    folder.image('small', 'v1', 'config', ['layer'])
    await withProcess(folder, { walks: false }, async ({ registry, db }) => {
      const done: string[] = []
      const ask = async (name: string, tag: string): Promise<void> => {
        await registry.getManifest(call, named(name), byTag(tag))
        done.push(name)
      }
      await Promise.all([ask('giant', 'v1'), ask('giant', 'v1'), sleep(5).then(() => ask('small', 'v1'))])
      assert.deepEqual(done, ['small', 'giant', 'giant'])
      assert.deepEqual(await rowsOf(db, 'SELECT max(manifests) AS n FROM repository_counts'), [{ n: 301 }])
    })
  }))

test('what cannot be read is refused and tried again, never served as if it were not there', () =>
  withFolder(async (folder) => {
    folder.image('a', 'v1', 'config', ['layer'])
    folder.image('ok', 'v1', 'config', ['layer'])
    const manifests = join(folder.v2, 'repositories/a/_manifests/revisions/sha256', sha256Of('x').slice(7))
    mkdirSync(manifests)
    symlinkSync('link', join(manifests, 'link'))
    await withProcess(folder, { walks: true, lookAgainMs: 20 }, async ({ registry, takeover, db, log }) => {
      await assert.rejects(
        async () => registry.getManifest(call, named('a'), byTag('v1')),
        codeOf('UNAVAILABLE'),
      )
      await assert.rejects(
        async () => registry.getManifest(call, named('a'), byTag('v1')),
        codeOf('UNAVAILABLE'),
      )
      await registry.getManifest(call, named('ok'), byTag('v1'))
      await sleep(300)
      assert.equal(takeover.isComplete(), false, 'no mark before all of it could be read')
      assert.match(log.lines.join('\n'), /cannot be taken over.*ELOOP/)
      rmSync(manifests, { recursive: true })
      await completed(takeover)
      assert.equal((await registry.getManifest(call, named('a'), byTag('v1'))).bytes.byteLength > 0, true)
      assert.notEqual((await findTakeover(db))?.completedAt, undefined)
    })
  }))

test('the walk imports the rest, sets the mark, takes a snapshot and says what it found', () =>
  withFolder(async (folder) => {
    for (let index = 0; index < 150; index++) folder.image(`r${index}`, 'v1', `config ${index}`, ['layer'])
    folder.tag('r7', 'dangling', sha256Of('nothing'))
    await settle()
    await withProcess(folder, { walks: true, lookAgainMs: 50 }, async ({ registry, takeover, db, log }) => {
      await completed(takeover)
      const page = await registry.listRepositories(call, { limit: 1000 })
      assert.equal(page.names.length, 150)
      assert.deepEqual(await rowsOf(db, 'SELECT count(*) AS n FROM repositories WHERE imported_at IS NULL'), [
        { n: 0 },
      ])
      assert.deepEqual(
        (await listFindings(db, 0, 10)).map(({ repository, kind }) => [repository, kind]),
        [['r7', 'tag-without-revision']],
      )
      assert.match(
        log.lines.join('\n'),
        /taking over 150 repositories[^]*takeover complete: 150 repositories.*150 tags[^]*1 tag-without-revision/,
      )
    })
  }))

test('while a Distribution still writes, the mark waits; what it writes comes too', () =>
  withFolder(async (folder) => {
    for (let index = 0; index < 20; index++) folder.image(`r${index}`, 'v1', `config ${index}`, ['layer'])
    await withProcess(folder, { walks: true, lookAgainMs: 30 }, async ({ registry, takeover, log }) => {
      let last = ''
      for (let push = 0; push < 25; push++) {
        last = folder.image('r3', 'moving', `config of push ${push}`, [`layer ${push}`])
        folder.image(`new/n${push}`, 'v1', 'config', ['layer'])
        assert.equal(takeover.isComplete(), false)
        await sleep(20)
      }
      await completed(takeover)
      assert.equal((await registry.getManifest(call, named('r3'), byTag('moving'))).digest, last)
      assert.equal(await textOf(registry, 'r3', sha256Of('layer 24')), 'layer 24')
      assert.equal((await registry.listRepositories(call, { limit: 100 })).names.length, 45)
      assert.match(log.lines.join('\n'), /Does a Distribution still run on this folder/)
    })
  }))

test('a copy of the folder that still goes on: what was half there is whole before the mark', () =>
  withFolder(async (folder) => {
    const layer = 'layer '.repeat(30_000)
    const digest = folder.image('a', 'v1', 'config', [layer])
    folder.image('b', 'v1', 'config', ['late'])
    folder.write(folder.blobFile(sha256Of(layer)), layer.slice(0, 100_000))
    folder.remove(folder.blobFile(sha256Of('late')))
    await settle()
    await withProcess(folder, { walks: false }, async ({ registry }) => {
      await registry.getManifest(call, named('a'), byTag('v1'))
      await registry.getManifest(call, named('b'), byTag('v1'))
      await assert.rejects(textOf(registry, 'b', sha256Of('late')), codeOf('BLOB_UNKNOWN'))
    })
    await settle()
    folder.write(folder.blobFile(sha256Of(layer)), layer)
    folder.blob('late')
    await withProcess(folder, { walks: true, lookAgainMs: 100 }, async ({ registry, takeover }) => {
      await completed(takeover)
      assert.equal((await registry.getManifest(call, named('a'), byTag('v1'))).digest, digest)
      assert.equal(await textOf(registry, 'a', sha256Of(layer)), layer)
      assert.equal(await textOf(registry, 'b', sha256Of('late')), 'late')
    })
  }))

test('a disk that goes away while it is taken over: nothing is complete, nothing is missing when it is back', () =>
  withFolder(async (folder) => {
    for (let index = 0; index < 600; index++) folder.image('big', `v${index}`, `config ${index}`, ['layer'])
    for (const name of ['a', 'b']) folder.image(name, 'v1', 'config', ['layer'])
    await settle()
    const { v2 } = folder
    for (const away of [v2, join(v2, 'blobs'), join(v2, 'repositories')]) {
      const parts = readParts(folder.root, { name: named('big'), published: true })
      assert.equal((await parts.next()).value?.end, undefined)
      renameSync(away, `${away}.away`)
      // What a mount point is without its disk.
      mkdirSync(away)
      await assert.rejects(Array.fromAsync(parts), /is its disk mounted/)
      await withProcess(folder, { walks: true, lookAgainMs: 20 }, async ({ registry, takeover }) => {
        await sleep(200)
        assert.equal(takeover.isComplete(), false)
        await assert.rejects(
          async () => registry.getManifest(call, named('a'), byTag('v1')),
          codeOf('UNAVAILABLE'),
        )
        await assert.rejects(registry.listRepositories(call, { limit: 10 }), codeOf('UNAVAILABLE'))
      })
      rmdirSync(away)
      renameSync(`${away}.away`, away)
    }
    await withProcess(folder, { walks: true, lookAgainMs: 20 }, async ({ registry, takeover }) => {
      await completed(takeover)
      assert.deepEqual((await registry.listRepositories(call, { limit: 10 })).names, ['a', 'b', 'big'])
      assert.equal((await registry.listTags(call, named('big'), { limit: 1000 })).names.length, 600)
      assert.equal(await textOf(registry, 'b', sha256Of('layer')), 'layer')
    })
  }))

test('a folder with nothing but unfinished uploads has no blobs, and is taken over', () =>
  withFolder(async (folder) => {
    rmdirSync(join(folder.v2, 'blobs'))
    folder.write('repositories/a/_uploads/1/data', 'half')
    await settle()
    await withProcess(folder, { walks: true, lookAgainMs: 20 }, ({ takeover }) => completed(takeover))
  }))

test('referrers: by their subject, and by the tag that clients kept where there was no list of them', () =>
  withFolder(async (folder) => {
    const subject = folder.image('a', 'v1', 'config', ['layer'])
    const descriptor = describeContent(imageOf('config', ['layer']), OCI_MANIFEST)
    folder.layer('a', 'signature')
    const signature = imageOf('config', ['signature'], {
      subject: descriptor,
      artifactType: 'application/sig',
    })
    folder.manifest('a', signature)
    const listed = imageOf('config', ['signature'], { artifactType: 'application/sbom' })
    folder.manifest('a', listed)
    const index = folder.manifest('a', indexOf([listed]))
    folder.tag('a', subject.replace(':', '-'), index)
    await withProcess(folder, { walks: false }, async ({ registry }) => {
      const page = await registry.listReferrers(call, named('a'), subject, undefined, { limit: 10 })
      assert.deepEqual(
        page.descriptors.map(({ digest }) => digest),
        [sha256Of(signature), sha256Of(listed)].sort(),
      )
    })
  }))

test('two processes on one folder: one walks, both serve, and both hear of the end', () =>
  withFolder(async (folder) => {
    for (let index = 0; index < 120; index++) folder.image(`r${index}`, 'v1', `config ${index}`, ['layer'])
    await settle()
    await withProcess(folder, { walks: true, lookAgainMs: 50 }, (one) =>
      withProcess(folder, { walks: true, lookAgainMs: 50 }, async (two) => {
        const asked = Array.from({ length: 120 }, (_, index) => `r${119 - index}`)
        for (const name of asked) {
          const [a, b] = await Promise.all(
            [one, two].map(async ({ registry }) => registry.getManifest(call, named(name), byTag('v1'))),
          )
          assert.equal(a?.digest, b?.digest)
        }
        await completed(one.takeover)
        await completed(two.takeover)
        assert.deepEqual(
          await rowsOf(one.db, 'SELECT count(*) AS n, count(DISTINCT name) AS names FROM repositories'),
          [{ n: 120, names: 120 }],
        )
        assert.deepEqual(
          await rowsOf(one.db, 'SELECT sum(tags) AS tags, sum(manifests) AS m FROM repository_counts'),
          [{ tags: 120, m: 120 }],
        )
      }),
    )
  }))

test('an end in the middle: the next start goes on where it was', () =>
  withFolder(async (folder) => {
    for (let index = 0; index < 150; index++) folder.image(`r${index}`, 'v1', `config ${index}`, ['layer'])
    await settle()
    let walkedTo = ''
    await withProcess(folder, { walks: true }, async ({ db, takeover }) => {
      while (walkedTo === '') {
        await sleep(2)
        walkedTo = (await findTakeover(db))?.walkedTo ?? ''
      }
      assert.equal(takeover.isComplete(), false)
    })
    await withProcess(folder, { walks: true, lookAgainMs: 50 }, async ({ db, takeover, log }) => {
      await completed(takeover)
      assert.match(log.lines[0] ?? '', /taking over 150 repositories.*\([1-9]\d* were done before\)/)
      assert.deepEqual(await rowsOf(db, 'SELECT sum(tags) AS tags FROM repository_counts'), [{ tags: 150 }])
    })
  }))

test('what a Distribution writes after the mark is told; what Berth wrote itself is not', () =>
  withFolder(async (folder) => {
    for (const name of ['a', 'b', 'c']) folder.image(name, 'v1', 'config', ['layer'])
    await settle()
    await withProcess(folder, { walks: true, lookAgainMs: 50 }, async ({ db, takeover }) => {
      await completed(takeover)
      const told = async (): Promise<string> => {
        const log = collectLog()
        const watch = startWatch({ db, dataFolder: folder.root, log, firstMs: 1 })
        await sleep(500)
        await watch.stop()
        return log.lines.join('\n')
      }
      await settle()
      assert.equal(await told(), '')
      renameSync(folder.v2, `${folder.v2}.away`)
      assert.equal(await told(), '', 'removed by whoever needs it no more')
      renameSync(`${folder.v2}.away`, folder.v2)
      folder.tag(
        'b',
        'late',
        folder.manifest('b', imageOf('config', ['layer'], { annotations: { late: 'yes' } })),
      )
      folder.image('d', 'v1', 'config', ['layer'])
      assert.match(await told(), /^2 repositories .* after Berth had taken it over.*\["b","d"\]/)
      await settle()
      await recordLinksWritten(db, Date.now())
      assert.equal(await told(), '')
    })
  }))
