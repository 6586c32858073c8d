/** One hashing worker as the main thread sees it. It keeps the process alive only while a job is under way. */
import { startThread } from '../../lib/start-thread.ts'
import type { Digest } from '../../oci/digest.ts'
import type { FromWorker, Job, Order, SentError, WorkerData } from './messages.ts'

export type HashingThread = {
  /** Hashes that live in this worker. */
  hashes: number
  /** Why the worker is no more; what it hashed is gone with it. */
  readonly lost: Error | undefined
  tell(order: Order): void
  /** Resolves with the digest for a digest job. @throws what went wrong in the worker, or that it ended */
  run(job: Job): Promise<Digest | undefined>
  close(): Promise<void>
}

type Waiting = { resolve(digest: Digest | undefined): void; reject(error: Error): void }

const WORKER = new URL('./worker', import.meta.url)

/** A worker makes hardly any objects; the young generation's usual size would cost 4 MiB each for nothing. */
const HEAP = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 64 }

export function createHashingThread(
  workerData: WorkerData,
  onLost: (thread: HashingThread, error: Error) => void,
): HashingThread {
  const worker = startThread(WORKER, { workerData, name: 'hashing', resourceLimits: HEAP })
  const jobs = new Map<number, Waiting>()
  let lastJob = 0
  let cause: unknown
  let lost: Error | undefined
  let closing = false

  worker.on('message', ({ job, digest, error }: FromWorker) => {
    const waiting = jobs.get(job)
    jobs.delete(job)
    if (jobs.size === 0) worker.unref()
    if (error === undefined) waiting?.resolve(digest)
    else waiting?.reject(received(error))
  })
  worker.on('error', (error: unknown) => {
    cause = error
  })
  // Only once the thread is gone does nobody use its slabs and descriptors any more.
  worker.on('exit', (code) => {
    const why = closing ? 'the blob store was closed' : `a hashing worker ended with code ${code}`
    lost = new Error(why, cause === undefined ? undefined : { cause })
    for (const waiting of jobs.values()) waiting.reject(lost)
    jobs.clear()
    if (!closing) onLost(thread, lost)
  })
  worker.unref()

  const thread: HashingThread = {
    hashes: 0,
    get lost() {
      return lost
    },
    tell: (order) => worker.postMessage(order),
    run: (job) =>
      new Promise((resolve, reject) => {
        if (lost !== undefined) return reject(lost)
        lastJob += 1
        if (jobs.size === 0) worker.ref()
        jobs.set(lastJob, { resolve, reject })
        worker.postMessage({ ...job, job: lastJob })
      }),
    close: async () => {
      closing = true
      await worker.terminate()
    },
  }
  return thread
}

function received({ message, ...rest }: SentError): Error {
  return Object.assign(new Error(message), rest)
}
