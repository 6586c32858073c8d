import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { closeSync, existsSync, openSync } from 'node:fs'
import { Writable } from 'node:stream'
import test from 'node:test'
import { writeAll } from './output.ts'

const MAIN = new URL('../main.ts', import.meta.url).pathname
const SAYS_MUCH = ['config', 'show']

test('whoever reads may leave: the command ends as the system would end it, and says nothing', async () => {
  const child = spawn(process.execPath, [MAIN, ...SAYS_MUCH], { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.destroy()
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  const code = await new Promise((resolve) => child.once('close', resolve))
  assert.deepEqual([code, said], [141, ''])
})

test(
  'what is said does not fit: that is told, without a stack',
  { skip: !existsSync('/dev/full') && 'SKIPPED: no /dev/full here' },
  () => {
    const full = openSync('/dev/full', 'w')
    const ran = spawnSync(process.execPath, [MAIN, ...SAYS_MUCH], {
      stdio: ['ignore', full, 'pipe'],
      encoding: 'utf8',
    })
    closeSync(full)
    assert.deepEqual(
      [ran.status, ran.stderr],
      [1, 'berth config: what it says cannot be written: there is no room left.\n'],
    )
  },
)

test('a long list waits for its reader, and for nobody who has left', { timeout: 10_000 }, async () => {
  let release: () => void = () => undefined
  const slow = new Writable({
    highWaterMark: 1,
    write: (_chunk, _encoding, done) => void (release = done),
  })
  let isDone = false
  const waiting = writeAll({ stdout: slow }, 'some').then(() => (isDone = true))
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(isDone, false)
  release()
  await waiting

  const left = writeAll({ stdout: slow }, 'more')
  slow.destroy()
  await left
  await writeAll({ stdout: slow }, 'even more')
})
