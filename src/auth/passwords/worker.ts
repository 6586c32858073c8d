/** A password thread's whole program. */
import { readlinkSync } from 'node:fs'
import { setPriority } from 'node:os'
import { parentPort } from 'node:worker_threads'
import { makeHash, matches } from './compute.ts'
import type { FromWorker, ToWorker } from './thread.ts'

/** Some, not much: on a busy machine somebody still gets in. */
const NICENESS = 5

stepBack()
parentPort?.on('message', (message: ToWorker) => {
  void answer(message).then((sent) => parentPort?.postMessage(sent))
})

async function answer({ password, hash }: ToWorker): Promise<FromWorker> {
  try {
    return { done: hash === undefined ? await makeHash(password) : await matches(password, hash) }
  } catch (error) {
    return { failed: error instanceof Error ? error.message : String(error) }
  }
}

/** Where there are more threads than cores, whoever waits for something else goes first. On Linux threads have priorities. */
function stepBack(): void {
  if (process.platform !== 'linux') return
  try {
    const thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1))
    setPriority(thread, NICENESS)
  } catch {
    // It may be forbidden, and is only a kindness.
  }
}
