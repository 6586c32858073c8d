/** A hashing worker's whole program: it hashes and writes, synchronously, what the main thread puts into slabs. */
import { readSync, writeSync } from 'node:fs'
import type { Hash } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import { stepBack } from '../../lib/step-back.ts'
import { createDigestHash, type Digest, type DigestAlgorithm } from '../../oci/digest.ts'
import type { FromWorker, Job, Order, SentError, ToWorker, WorkerData } from './messages.ts'

type Running = { algorithm: DigestAlgorithm; hash: Hash; mark: Hash | undefined }

const PREFIX_BUFFER = 256 * 1024
/** Whoever pushes a gigabyte can wait a little; whoever asks for a manifest should not, on a machine of two cores. */
const NICENESS = 15

const memory = new Uint8Array((workerData as WorkerData).memory)
const hashes = new Map<number, Running>()

stepBack(NICENESS)
parentPort?.on('message', (message: ToWorker) => {
  if (!('job' in message)) return obey(message)
  parentPort?.postMessage(answer(message))
})

function obey(order: Order): void {
  switch (order.kind) {
    case 'open': {
      const { algorithm } = order
      hashes.set(order.hash, { algorithm, hash: createDigestHash(algorithm), mark: undefined })
      return
    }
    case 'mark': {
      const running = find(order.hash)
      running.mark = running.hash.copy()
      return
    }
    case 'close':
      hashes.delete(order.hash)
  }
}

function answer(job: Job & { job: number }): FromWorker {
  try {
    const digest = work(job, find(job.hash))
    return digest === undefined ? { job: job.job } : { job: job.job, digest }
  } catch (error) {
    return { job: job.job, error: sent(error) }
  }
}

function work(job: Job, running: Running): Digest | undefined {
  switch (job.kind) {
    case 'prefix':
      return hashFile(running.hash, job.file, job.length)
    case 'take': {
      const bytes = memory.subarray(job.start, job.start + job.length)
      if (job.file !== undefined) writeAll(job.file, bytes, job.position)
      running.hash.update(bytes)
      return undefined
    }
    case 'rewind':
      if (running.mark === undefined) throw new Error('there is no mark to go back to')
      running.hash = running.mark.copy()
      return undefined
    case 'digest':
      return `${running.algorithm}:${running.hash.copy().digest('hex')}` as Digest
  }
}

function hashFile(hash: Hash, file: number, length: number): undefined {
  const buffer = Buffer.allocUnsafe(Math.min(length, PREFIX_BUFFER))
  for (let position = 0; position < length;) {
    const read = readSync(file, buffer, 0, Math.min(buffer.byteLength, length - position), position)
    if (read === 0) throw new Error(`the file ends at ${position}, before ${length}`)
    hash.update(buffer.subarray(0, read))
    position += read
  }
}

function writeAll(file: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.byteLength;) {
    done += writeSync(file, bytes, done, bytes.byteLength - done, position + done)
  }
}

function find(hash: number): Running {
  const running = hashes.get(hash)
  if (running === undefined) throw new Error(`there is no hash ${hash}`)
  return running
}

function sent(error: unknown): SentError {
  if (!(error instanceof Error)) return { message: String(error) }
  const { message, code, errno, syscall } = error as NodeJS.ErrnoException
  return {
    message,
    ...(code === undefined ? {} : { code }),
    ...(errno === undefined ? {} : { errno }),
    ...(syscall === undefined ? {} : { syscall }),
  }
}
