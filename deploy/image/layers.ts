/** Layers: entries of an image as compressed archives, known by their digests. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gunzipSync, gzip } from 'node:zlib'
import { tarOf, type Entries } from './tar.ts'

export type Layer = {
  /** What is in it, for people. */
  name: string
  /** The digest of the archive before it was compressed. */
  diffId: string
  /** The digest of `bytes`. */
  digest: string
  bytes: Uint8Array
  /** Bytes of the archive before it was compressed. */
  unpacked: number
}

const compress = promisify(gzip)
/** The highest takes three times as long for a four-hundredth less. */
const LEVEL = 6

export function sha256(bytes: Uint8Array | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

/**
 * Makes layers. To compress Node.js takes most of a build's time: what was compressed is kept by the digest of what
 * it was made of, and of the zlib that made it. No time and no name of a system is in it (RFC 1952 has both).
 */
export function createLayers(cache: string) {
  const folder = join(cache, 'layers')
  mkdirSync(folder, { recursive: true })
  const used = new Set<string>()

  async function layerOf(name: string, entries: Entries): Promise<Layer> {
    const archive = await tarOf(entries)
    const diffId = sha256(archive)
    const file = `${diffId.slice('sha256:'.length)}-${LEVEL}-${process.versions.zlib}.gz`
    used.add(file)
    const bytes = keptBytes(join(folder, file), archive) ?? (await pack(join(folder, file), archive))
    return { name, diffId, digest: sha256(bytes), bytes, unpacked: archive.length }
  }

  /** Forgets what this build had no use for. */
  function tidy(): void {
    for (const file of readdirSync(folder)) if (!used.has(file)) rmSync(join(folder, file), { force: true })
  }

  return { layerOf, tidy }
}

/** What was kept; undefined where it is not there, or no longer whole. */
function keptBytes(path: string, archive: Uint8Array): Uint8Array | undefined {
  if (!existsSync(path)) return undefined
  const bytes = readFileSync(path)
  try {
    return Buffer.compare(gunzipSync(bytes), archive) === 0 ? bytes : undefined
  } catch {
    return undefined
  }
}

async function pack(path: string, archive: Uint8Array): Promise<Uint8Array> {
  const bytes = await compress(archive, { level: LEVEL })
  const UNIX = 3
  bytes[9] = UNIX
  const incoming = `${path}.${process.pid}`
  writeFileSync(incoming, bytes)
  renameSync(incoming, path)
  return bytes
}
