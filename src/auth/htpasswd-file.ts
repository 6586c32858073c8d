/** The file of `auth.htpasswd`: made where it is missing, read, and read again when it was changed. */
import { randomBytes } from 'node:crypto'
import type { BigIntStats } from 'node:fs'
import { mkdir, open, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { IS_A_FOLDER } from '../lib/mount-hints.ts'

/** Names and hashes of tens of thousands; it is parsed at once. */
const LARGEST = 4 * 1024 * 1024

export type ReadFile = {
  text: string
  /** As {@link fingerprintOf} has it, of what was read. */
  fingerprint: string
  /** It was changed so short a time ago that it may be changed again without another time of change. */
  isFresh: boolean
}

/** Changes when the file is written or replaced, or a symbolic link on the way to it is turned. */
export async function fingerprintOf(path: string): Promise<string> {
  return asText(await stat(path, { bigint: true }))
}

const asText = ({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string =>
  [dev, ino, size, mtimeNs, ctimeNs].join(':')

/** File systems count time in steps. */
const COARSEST = 2000
const TRIES = 3

/** @throws Error whose message says why, without the path */
export async function readHtpasswd(path: string): Promise<ReadFile> {
  // Before it is opened: a pipe would never open.
  const what = await stat(path)
  if (what.isDirectory()) throw new Error(IS_A_FOLDER)
  if (!what.isFile()) throw new Error('it is not a file')
  const file = await open(path, 'r')
  try {
    for (let tried = 1; ; tried++) {
      const before = await file.stat({ bigint: true })
      if (before.size > LARGEST) throw new Error(`it is larger than ${LARGEST / 1024 / 1024} MiB`)
      const bytes = Buffer.alloc(Number(before.size))
      const { bytesRead } = await file.read(bytes, 0, bytes.length, 0)
      const fingerprint = asText(await file.stat({ bigint: true }))
      // Somebody is writing it.
      if (fingerprint !== asText(before) && tried < TRIES) continue
      const isFresh = Math.abs(Date.now() - Number(before.mtimeMs)) < COARSEST
      return { text: bytes.toString('utf8', 0, bytesRead), fingerprint, isFresh }
    }
  } finally {
    await file.close()
  }
}

export type FirstUser = { name: string; password: string }

/**
 * Makes the file where there is none, with a user `docker` and a random password, as Distribution does; readable for the
 * one who runs the registry only. Undefined: it is there.
 */
export async function createWhereMissing(path: string): Promise<FirstUser | undefined> {
  try {
    await stat(path)
    return undefined
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  const password = randomBytes(24).toString('base64url')
  // Of the one kind that Distribution knows too. On this thread: once in the life of a registry.
  const { bcrypt } = await import('hash-wasm')
  const hash = await bcrypt({ password, salt: randomBytes(16), costFactor: 10, outputType: 'encoded' })
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  // Exclusive: of two processes that start at once, one makes it.
  const file = await open(path, 'wx', 0o600).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined
    throw error
  })
  if (file === undefined) return undefined
  try {
    await file.writeFile(`docker:${hash}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  return { name: 'docker', password }
}
