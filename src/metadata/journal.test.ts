import assert from 'node:assert/strict'
import { chownSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Tag } from '../oci/reference.ts'
import { mountFrom } from './blob-links.ts'
import { createJournal, PRUNED_FILE, pruneJournal } from './journal.ts'
import {
  actorAt,
  journalLines,
  linkBlob,
  pushManifest,
  repositoryOf,
  withFolder,
  existingRepository,
} from './metadata-fixtures.ts'
import { openMetadata } from './open-metadata.ts'
import { deleteManifestRow, deleteTagRow, unlinkBlob } from './deletions.ts'

test('each kind of change is a line, in the order of commits, whichever process made it', () =>
  withFolder(async (folder) => {
    const one = openMetadata({ folder, version: '1' })
    const two = openMetadata({ folder, version: '2' })
    const digest = await pushManifest(one.db, ['v', 'w'])
    const blob = await linkBlob(two.db, 'x')
    const b = await repositoryOf(one.db, 'b')
    await mountFrom(two.db, 'a', b, blob, actorAt())
    await unlinkBlob(one.db, await existingRepository(one.db, 'b'), blob, 86_400_000, actorAt())
    await deleteTagRow(two.db, 'a', 'w' as Tag, 1000, actorAt())
    await deleteManifestRow(one.db, await repositoryOf(one.db), digest, 1000, actorAt())
    await one.db.close()
    await two.db.close()
    const lines = journalLines(folder)
    assert.deepEqual(
      lines.map((line) => [line['do'], line['repository']]),
      [
        ['begin', undefined],
        ['repository', 'a'],
        ['link', 'a'],
        ['manifest', 'a'],
        ['link', 'a'],
        ['repository', 'b'],
        ['link', 'b'],
        ['unlink', 'b'],
        ['delete-tag', 'a'],
        ['delete-manifest', 'a'],
      ],
    )
    const manifest = lines[3] as { bytes: string; tags: string[]; digest: string }
    assert.match(Buffer.from(manifest.bytes, 'base64').toString(), /"schemaVersion":2/)
    assert.deepEqual([manifest.tags, manifest.digest], [['v', 'w'], digest])
    const seqs = lines.map((line) => line['seq'])
    assert.deepEqual(seqs, [...new Set(seqs)], 'each in a commit of its own')
    assert.equal(readdirSync(join(folder, 'journal')).length, 2)
  }))

test('a day is a file', () =>
  withFolder((folder) => {
    let now = Date.UTC(2026, 0, 31, 23, 59, 59, 999)
    const journal = createJournal(folder, 'ab', () => now)
    journal.append(1, [{ do: 'one' }])
    journal.flush()
    now += 1
    journal.append(2, [{ do: 'two' }, { do: 'three' }])
    journal.append(3, [])
    journal.close()
    assert.deepEqual(readdirSync(folder), ['2026-01-31-ab.jsonl', '2026-02-01-ab.jsonl'])
    assert.equal(
      readFileSync(join(folder, '2026-02-01-ab.jsonl'), 'utf8'),
      `{"seq":2,"t":${now},"do":"two"}\n{"seq":2,"t":${now},"do":"three"}\n`,
    )
  }))

test(
  'what root does beside a registry of another user, that one can read',
  { skip: process.getuid?.() !== 0 && 'SKIPPED: needs root' },
  () =>
    withFolder((folder) => {
      chownSync(folder, 65_534, 65_533)
      const journal = createJournal(folder, 'p1')
      journal.append(1, [{ do: 'x' }])
      journal.close()
      const owners = readdirSync(folder).map((name) => statSync(join(folder, name)))
      assert.deepEqual(
        owners.map(({ uid, gid }) => [uid, gid]),
        [[65_534, 65_533]],
      )
    }),
)

test('what cannot be written waits, within bounds, and then tells that lines are missing', () =>
  withFolder((folder) => {
    const path = join(folder, 'journal')
    writeFileSync(path, 'in the way')
    const journal = createJournal(path, 'ab')
    journal.append(1, [{ do: 'early' }])
    journal.flush()
    const large = 'x'.repeat(1024 * 1024)
    for (let seq = 2; seq < 12; seq++) {
      journal.append(seq, [{ do: 'large', large }])
      journal.flush()
    }
    renameSync(path, join(folder, 'aside'))
    journal.append(12, [{ do: 'late' }])
    journal.close()
    const [name] = readdirSync(path)
    const kinds = readFileSync(join(path, name as string), 'utf8')
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { do: string }).do)
    assert.deepEqual(kinds, ['gap', 'large', 'large', 'late'])
  }))

test('files that no snapshot needs are removed', () =>
  withFolder((folder) => {
    mkdirSync(folder, { recursive: true })
    const names = [
      '2026-01-08-ab.jsonl',
      '2026-01-09-ab.jsonl',
      '2026-01-10-ab.jsonl',
      '2026-01-01-theirs.txt',
    ]
    for (const name of names) writeFileSync(join(folder, name), '')
    pruneJournal(folder, new Date('2026-01-10T00:00:01Z'))
    assert.deepEqual(readdirSync(folder), [...names.slice(1), PRUNED_FILE].sort())
    assert.equal(readFileSync(join(folder, PRUNED_FILE), 'utf8'), '2026-01-09\n')
    pruneJournal(join(folder, 'absent'), new Date())
  }))
