import assert from 'node:assert/strict'
import { chmodSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { actorAt, withFolder } from './metadata-fixtures.ts'
import { createUser } from './access/users.ts'
import { openMetadata } from './open-metadata.ts'

const isPosix = process.platform !== 'win32'

test('what holds hashes of passwords can be read by its owner only, also where it was made otherwise', () =>
  withFolder(async (folder) => {
    const user = { name: 'alice', password: 'a hash', stamp: 's', isAdmin: false }
    const first = openMetadata({ folder, version: 'test' })
    await createUser(first.db, user, actorAt())
    const snapshot = (await first.snapshot?.()) as string
    await first.db.close()
    chmodSync(join(folder, 'metadata.db'), 0o644)
    const { db } = openMetadata({ folder, version: 'test' })
    await createUser(db, { ...user, name: 'bob' }, actorAt())
    const journal = readdirSync(join(folder, 'journal')).map((name) => join(folder, 'journal', name))
    const database = ['', '-wal', '-shm'].map((suffix) => join(folder, `metadata.db${suffix}`))
    for (const path of [snapshot, ...journal, ...database])
      assert.equal(statSync(path).mode & 0o777, isPosix ? 0o600 : 0o666, path)
    await db.close()
  }))
