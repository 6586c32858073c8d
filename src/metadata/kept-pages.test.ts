import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createKeptPages } from './kept-pages.ts'
import { linkBlob, NOW, pushManifest, withMetadata } from './metadata-fixtures.ts'
import type { Metadata } from './open-metadata.ts'
import { beat } from './processes.ts'
import { listRepositoryNames } from './repositories.ts'

/** Pages of all repositories; `loads` counts how often the database was asked. */
function pagesOf({ db }: Metadata, maxBytes = 100_000) {
  let loads = 0
  const pages = createKeptPages<readonly string[]>(db, maxBytes, (names) => names.length * 100)
  const look = (key = 'all') =>
    pages.get('repositories', key, () => {
      loads += 1
      return listRepositoryNames(db, '', 100)
    })
  return { look, loads: () => loads }
}

test('a page is the same object until something changes, whoever changes it', () =>
  withMetadata(['1', '2'], async (one, two) => {
    const { look, loads } = pagesOf(one)
    await pushManifest(one.db, ['v'], 'a', {})
    const first = await look()
    assert.deepEqual(first, ['a'])
    assert.equal(await look(), first)
    await beat(one.db, one.processId, NOW)
    assert.equal(await look(), first, 'a row that is of no repository')
    assert.equal(loads(), 1)
    for (let round = 0; round < 10; round += 1) {
      const by = round % 2 === 0 ? two : one
      await pushManifest(by.db, ['v'], `b${round}`, {})
      assert.equal((await look()).length, round + 2)
      assert.equal(loads(), round + 2)
    }
  }))

test('what is read while something is written is not kept', () =>
  withMetadata(['1'], async (one) => {
    await pushManifest(one.db, ['v'], 'a', {})
    const { look, loads } = pagesOf(one)
    const writing = linkBlob(one.db, 'content', 'a')
    await look()
    await writing
    await look()
    assert.equal(loads(), 2)

    const pages = createKeptPages<number>(one.db, 1000, () => 1)
    const slow = pages.get('', 'slow', async () => {
      await linkBlob(one.db, 'more', 'a')
      return 1
    })
    assert.equal(await slow, 1)
    assert.equal(await pages.get('', 'slow', () => Promise.resolve(2)), 2)
    assert.equal(await pages.get('', 'slow', () => Promise.resolve(3)), 2)
  }))

test('no more than there is room for', () =>
  withMetadata(['1'], async (one) => {
    await pushManifest(one.db, ['v'], 'a', {})
    const { look, loads } = pagesOf(one, 1000)
    const keys = Array.from({ length: 30 }, (_, index) => `${index}`)
    for (const key of keys) await look(key)
    for (const key of keys) await look(key)
    assert.ok(loads() > 45, `${loads()}`)
  }))
