/** A password thread's whole program. */
import { parentPort } from 'node:worker_threads'
import { stepBack } from '../../lib/step-back.ts'
import { makeHash, matches } from './compute.ts'
import type { FromWorker, ToWorker } from './thread.ts'

/** Some, not much: on a busy machine somebody still gets in. */
const NICENESS = 5

stepBack(NICENESS)
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
