import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { withFolder } from '../metadata/metadata-fixtures.ts'
import { lockBackups } from './lock.ts'

test('one at a time, until it is released, dead, or not heard of for two minutes', () =>
  withFolder((folder) => {
    const lock = lockBackups(folder)
    assert.throws(() => lockBackups(folder), /another backup is writing there/)
    lock.release()
    lockBackups(folder).release()
    assert.equal(existsSync(join(folder, 'lock')), false)

    // Of a process of this machine that is gone.
    writeFileSync(join(folder, 'lock'), `${hostname()} 999999999\n`)
    lockBackups(folder).release()
    // Of another machine.
    writeFileSync(join(folder, 'lock'), 'elsewhere 1\n')
    assert.throws(() => lockBackups(folder), /another backup/)
    lockBackups(folder, () => Date.now() + 121_000).release()
  }))
