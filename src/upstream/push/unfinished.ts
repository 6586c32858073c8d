/**
 * Uploads that were begun, so that a later run can go on with them: a small file each, readable by this user only (the
 * address of an upload may let anyone go on with it).
 */
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Digest } from '../../oci/digest.ts'

export type UnfinishedUploads = {
  /** Undefined: none is known, or it is too old for a registry to have kept it. */
  find(digest: Digest): Promise<string | undefined>
  keep(digest: Digest, location: string): Promise<void>
  forget(digest: Digest): Promise<void>
}

/** Registries remove what nobody went on with, most after a week. */
const LONGEST_KEPT_MS = 7 * 24 * 3600 * 1000

/** What cannot be written or read is not remembered: the upload begins again. */
export function createUnfinishedUploads(
  folder: string,
  origin: string,
  repository: string,
): UnfinishedUploads {
  const pathOf = (digest: Digest): string =>
    join(
      folder,
      createHash('sha256')
        .update(JSON.stringify([origin, repository, digest]))
        .digest('hex')
        .slice(0, 40),
    )
  let isPruned = false
  return {
    async find(digest) {
      try {
        const { at, location } = JSON.parse(await readFile(pathOf(digest), 'utf8')) as Record<string, unknown>
        const isFresh = typeof at === 'number' && Date.now() - at < LONGEST_KEPT_MS
        return isFresh && typeof location === 'string' ? location : undefined
      } catch {
        return undefined
      }
    },
    async keep(digest, location) {
      const path = pathOf(digest)
      const part = `${path}.${process.pid}`
      try {
        await mkdir(folder, { recursive: true, mode: 0o700 })
        if (!isPruned) await prune(folder)
        isPruned = true
        await writeFile(part, JSON.stringify({ at: Date.now(), location }), { mode: 0o600 })
        await rename(part, path)
      } catch {
        await rm(part, { force: true }).catch(() => undefined)
      }
    },
    async forget(digest) {
      await rm(pathOf(digest), { force: true }).catch(() => undefined)
    },
  }
}

async function prune(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const { mtimeMs } = await stat(join(folder, name))
    if (Date.now() - mtimeMs > LONGEST_KEPT_MS) await rm(join(folder, name), { force: true })
  }
}
