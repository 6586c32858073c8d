/** Content to push: the same seed gives the same bytes, whatever the machine. */
import { createCipheriv, createHash } from 'node:crypto'

export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
export const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json'
export const OCI_LAYER = 'application/vnd.oci.image.layer.v1.tar'

export type Blob = { bytes: Buffer; digest: string }
export type Manifest = { bytes: Buffer; digest: string; mediaType: string }
export type DescriptorOf = { mediaType: string; digest: string; size: number }

export function digestOf(bytes: Uint8Array, algorithm: 'sha256' | 'sha512' = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`
}

/** Bytes that no compression and no deduplication makes smaller. */
export function randomBytesOf(seed: string, length: number): Buffer {
  const key = createHash('sha256').update(seed).digest()
  const cipher = createCipheriv('aes-128-ctr', key.subarray(0, 16), key.subarray(16))
  return cipher.update(Buffer.alloc(length))
}

export function blobOf(seed: string, length: number): Blob {
  const bytes = randomBytesOf(seed, length)
  return { bytes, digest: digestOf(bytes) }
}

/** The bytes of a blob too large for memory, in pieces of 1 MiB (always the same two buffers). */
export async function* bytesOfLength(seed: string, length: number): AsyncGenerator<Buffer> {
  const key = createHash('sha256').update(seed).digest()
  const cipher = createCipheriv('aes-128-ctr', key.subarray(0, 16), key.subarray(16))
  const zeros = Buffer.alloc(1024 * 1024)
  for (let sent = 0; sent < length; sent += zeros.length) {
    yield cipher.update(zeros.subarray(0, Math.min(zeros.length, length - sent)))
  }
}

export async function digestOfLength(seed: string, length: number): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of bytesOfLength(seed, length)) hash.update(piece)
  return `sha256:${hash.digest('hex')}`
}

export function descriptorOf(content: Blob | Manifest, mediaType?: string): DescriptorOf {
  const type = mediaType ?? ('mediaType' in content ? content.mediaType : OCI_LAYER)
  return { mediaType: type, digest: content.digest, size: content.bytes.length }
}

export function manifestOf(document: Record<string, unknown>): Manifest {
  const mediaType = String(document['mediaType'])
  const bytes = Buffer.from(JSON.stringify(document))
  return { bytes, digest: digestOf(bytes), mediaType }
}

export function imageOf(config: Blob, layers: Blob[], more: Record<string, unknown> = {}): Manifest {
  return manifestOf({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: descriptorOf(config, OCI_CONFIG),
    layers: layers.map((layer) => descriptorOf(layer)),
    ...more,
  })
}

export function indexOf(manifests: DescriptorOf[], more: Record<string, unknown> = {}): Manifest {
  return manifestOf({ schemaVersion: 2, mediaType: OCI_INDEX, manifests, ...more })
}

export type Random = {
  /** 0 ≤ x < 1 */
  next(): number
  /** An integer, both ends included. */
  between(first: number, last: number): number
  pick<T>(from: readonly T[]): T
}

/** Seeded, so that a failure can be tried again (mulberry32). */
export function createRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
  const between = (first: number, last: number): number => first + Math.floor(next() * (last - first + 1))
  return {
    next,
    between,
    pick: (from) => {
      const one = from[between(0, from.length - 1)]
      if (one === undefined) throw new Error('nothing to pick from')
      return one
    },
  }
}
