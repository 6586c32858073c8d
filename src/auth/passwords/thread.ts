/** One password thread as the main thread sees it: one job at a time. */
import { startThread } from '../../lib/start-thread.ts'

/** Without a hash: one is to be made. */
export type ToWorker = { password: string; hash?: string }
export type FromWorker = { done: boolean | string } | { failed: string }

export type PasswordThread = {
  /** @throws what went wrong there, or that it ended; then it is of no more use */
  run(job: ToWorker): Promise<boolean | string>
  close(): Promise<void>
}

const WORKER = new URL('./worker', import.meta.url)

/** What argon2 works in is not part of the heap. */
const HEAP = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 64 }

/** It keeps the process alive only while it works. @param onEnd it is gone and nobody closed it */
export function createPasswordThread(onEnd: (error: Error) => void): PasswordThread {
  const worker = startThread(WORKER, { name: 'passwords', resourceLimits: HEAP })
  let waiting: PromiseWithResolvers<boolean | string> | undefined
  let cause: unknown
  let lost: Error | undefined
  let isClosing = false

  worker.on('message', (message: FromWorker) => {
    worker.unref()
    const job = waiting
    waiting = undefined
    if ('done' in message) job?.resolve(message.done)
    else job?.reject(new Error(message.failed))
  })
  worker.on('error', (error: unknown) => {
    cause = error
  })
  worker.on('exit', (code) => {
    lost = new Error(`a password thread ended with code ${code}`, cause === undefined ? undefined : { cause })
    waiting?.reject(lost)
    waiting = undefined
    if (!isClosing) onEnd(lost)
  })
  worker.unref()
  return {
    run(job) {
      if (lost !== undefined) return Promise.reject(lost)
      waiting = Promise.withResolvers()
      worker.ref()
      worker.postMessage(job)
      return waiting.promise
    },
    async close() {
      isClosing = true
      await worker.terminate()
    },
  }
}
