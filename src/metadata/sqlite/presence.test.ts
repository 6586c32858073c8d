import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { withFolder } from '../metadata-fixtures.ts'
import { announcePresence } from './presence.ts'

const FIRST = '1'.repeat(16)
const SECOND = '2'.repeat(16)
const THIRD = '3'.repeat(16)

/** A process of its own that has announced itself. */
async function begin(folder: string, id: string) {
  const code = `
    const { announcePresence } = await import(${JSON.stringify(new URL('./presence.ts', import.meta.url).href)})
    globalThis.kept = announcePresence(${JSON.stringify(folder)}, '${id}')
    console.log('there')
    setInterval(() => undefined, 1000)`
  const child = spawn(process.execPath, ['-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  return {
    signal: (signal: NodeJS.Signals) => child.kill(signal),
    end: async () => {
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    },
  }
}

test('one that was killed is known to be gone, one that lives or is paused is not', () =>
  withFolder(async (folder) => {
    const child = await begin(folder, FIRST)
    try {
      const other = announcePresence(folder, SECOND)
      assert.deepEqual(other.gone, [])
      child.signal('SIGSTOP')
      const third = announcePresence(folder, THIRD)
      assert.deepEqual(third.gone, [], 'neither the paused one nor this process itself')
      third.close()
      other.close()
    } finally {
      await child.end()
    }
    const next = announcePresence(folder, SECOND)
    assert.deepEqual(next.gone, [FIRST])
    const later = announcePresence(folder, THIRD)
    assert.deepEqual(later.gone, [], 'only one acts on it')
    later.close()
    next.forget()
    assert.deepEqual(readdirSync(folder), [SECOND])
    next.close()
    assert.deepEqual(readdirSync(folder), [])
  }))

test('what was not settled is found by the next', () =>
  withFolder(async (folder) => {
    const child = await begin(folder, FIRST)
    await child.end()
    const unsettled = announcePresence(folder, SECOND)
    assert.deepEqual(unsettled.gone, [FIRST])
    await Promise.resolve()
    assert.ok(existsSync(join(folder, FIRST)))
    unsettled.close()
    assert.ok(!existsSync(join(folder, SECOND)))
  }))

test('a folder that cannot be made is no hindrance', () =>
  withFolder((folder) => {
    const path = join(folder, 'file')
    writeFileSync(path, '')
    const presence = announcePresence(join(path, 'below'), FIRST)
    assert.deepEqual(presence.gone, [])
    presence.close()
  }))
