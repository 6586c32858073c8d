/**
 * The calls on open files, as promises. File descriptors are plain numbers here, because the hashing workers and the
 * cache of open files need them so, and because each costs one trip to the thread pool and nothing else.
 */
import * as fs from 'node:fs'
import { promisify } from 'node:util'

export const openFile = promisify(fs.open)
export const closeFile = promisify(fs.close)
export const statFile = promisify<number, fs.Stats>(fs.fstat)
export const syncFile = promisify(fs.fsync)
export const syncData = promisify(fs.fdatasync)
export const truncateFile = promisify(fs.ftruncate)

/** Reads until `target` is full or the file ends; how many bytes that was. */
export async function readAt(file: number, target: Uint8Array, position: number): Promise<number> {
  let done = 0
  while (done < target.byteLength) {
    const read = await readOnce(file, target, done, position + done)
    if (read === 0) break
    done += read
  }
  return done
}

/** Writes all chunks, in one call where the system takes them so. */
export async function writeAllAt(
  file: number,
  chunks: readonly Uint8Array[],
  position: number,
): Promise<void> {
  let left = chunks
  let at = position
  while (left.length > 0) {
    const written = await writeOnce(file, left, at)
    at += written
    left = withoutFirst(left, written)
  }
}

/** Whether an error says that there is no such file or folder. */
export function isAbsent(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'ENOENT' || code === 'ENOTDIR'
}

/** The result, or undefined where there is no such file. */
export async function ifThere<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
}

/** When the bytes last changed, in microseconds: what a double holds without loss, and a rename keeps. */
export function stampOf(stats: fs.Stats): number {
  return Math.floor(stats.mtimeMs * 1000)
}

function readOnce(file: number, target: Uint8Array, offset: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.read(file, target, offset, target.byteLength - offset, position, (error, read) => {
      if (error === null) resolve(read)
      else reject(error)
    })
  })
}

function writeOnce(file: number, chunks: readonly Uint8Array[], position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.writev(file, chunks, position, (error, written) => {
      if (error === null) resolve(written)
      else reject(error)
    })
  })
}

function withoutFirst(chunks: readonly Uint8Array[], bytes: number): Uint8Array[] {
  const left: Uint8Array[] = []
  let skip = bytes
  for (const chunk of chunks) {
    if (skip < chunk.byteLength) left.push(chunk.subarray(skip))
    skip -= Math.min(skip, chunk.byteLength)
  }
  return left
}
