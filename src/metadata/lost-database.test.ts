import assert from 'node:assert/strict'
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { DatabaseRefusedError } from './database.ts'
import { pushManifest, withFolder } from './metadata-fixtures.ts'
import { openMetadata } from './open-metadata.ts'

/** A data folder that has been in use. */
async function used(folder: string, databasePath?: string): Promise<void> {
  const metadata = openMetadata({ folder, databasePath, version: 'test' })
  await pushManifest(metadata.db, ['v'])
  await metadata.db.close()
}

function refused(folder: string, message: RegExp, databasePath?: string): void {
  assert.throws(
    () => openMetadata({ folder, databasePath, version: 'test' }),
    (error) => {
      assert.ok(error instanceof DatabaseRefusedError, String(error))
      assert.match(error.message, message)
      return true
    },
  )
}

test('where a database is missing, empty or without tables, but was, none is made', () =>
  withFolder(async (root) => {
    const evidence: [string, (folder: string) => void, RegExp][] = [
      ['journal', () => undefined, /a journal of changes/],
      [
        'snapshot',
        (folder) => {
          mkdirSync(join(folder, 'snapshots'))
          writeFileSync(join(folder, 'snapshots', 'metadata-2026-01-01T00-00-00-000Z.db'), 'x')
          rmSync(join(folder, 'journal'), { recursive: true })
        },
        /snapshots of one/,
      ],
      [
        'object',
        (folder) => {
          mkdirSync(join(folder, 'objects', '0a'), { recursive: true })
          writeFileSync(join(folder, 'objects', '0a', '0a.part'), 'x')
          rmSync(join(folder, 'journal'), { recursive: true })
        },
        /blobs \(berth\/objects\)/,
      ],
    ]
    for (const [name, prepare, found] of evidence) {
      const folder = join(root, name)
      const path = join(folder, 'metadata.db')
      await used(folder)
      prepare(folder)
      rmSync(path)
      const isMade = (): boolean => existsSync(path)
      refused(folder, found)
      refused(folder, /"berth rebuild" makes it again/)
      assert.equal(isMade(), false)
      writeFileSync(path, '')
      refused(folder, found)
      rmSync(path)
      const bare = new DatabaseSync(path)
      bare.exec('PRAGMA journal_mode = WAL; PRAGMA user_version = 0')
      bare.close()
      refused(folder, found)
    }
  }))

test('a database that is looked for elsewhere is told how to move', () =>
  withFolder(async (root) => {
    const folder = join(root, 'berth')
    const elsewhere = join(root, 'ssd', 'berth.db')
    await used(folder)
    refused(
      folder,
      /metadata\.path .* says that .*berth\.db, where there is none, .* has one: .*metadata\.db\. To move it/,
      elsewhere,
    )
    renameSync(join(folder, 'metadata.db'), elsewhere)
    await used(folder, elsewhere)
    // And back, without saying so.
    refused(folder, /If it lies elsewhere, say where with metadata\.path/)
  }))

test('a first start that was cut off is no loss', () =>
  withFolder(async (root) => {
    mkdirSync(join(root, 'objects', '00'), { recursive: true })
    mkdirSync(join(root, 'journal'))
    mkdirSync(join(root, 'snapshots'))
    writeFileSync(join(root, 'metadata.db'), '')
    await used(root)
    assert.ok(readdirSync(join(root, 'journal')).length > 0)
  }))

test('a database that is damaged is not touched', () =>
  withFolder(async (folder) => {
    await used(folder)
    const path = join(folder, 'metadata.db')
    copyFileSync(path, join(folder, 'before'))
    writeFileSync(path, 'not a database at all, but long enough to be read as one by whoever does not look')
    refused(folder, /damaged .* run "berth rebuild", which makes it again and keeps the damaged one aside/)
  }))
