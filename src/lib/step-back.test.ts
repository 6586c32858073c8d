import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'

/** The 19th field of `stat`; the second is a name in brackets. */
const nicenessOf = (stat: string): number => Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16])

test('a thread steps back by itself', { skip: process.platform !== 'linux' }, async () => {
  const worker = new Worker(
    `import { stepBack } from ${JSON.stringify(new URL('step-back.ts', import.meta.url).href)}
     import { readFileSync } from 'node:fs'
     import { parentPort } from 'node:worker_threads'
     stepBack(7)
     parentPort.postMessage(readFileSync('/proc/thread-self/stat', 'utf8'))`,
    { eval: true },
  )
  const before = nicenessOf(readFileSync('/proc/self/stat', 'utf8'))
  const [stat] = (await once(worker, 'message')) as [string]
  assert.equal(nicenessOf(stat), 7)
  assert.equal(nicenessOf(readFileSync('/proc/self/stat', 'utf8')), before)
  await worker.terminate()
})
