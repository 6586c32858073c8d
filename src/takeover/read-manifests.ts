/** The revisions of a repository and the bytes they lead to. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { algorithmOf, type Digest, digestOf } from '../oci/digest.ts'
import { isAbsent, refusalText } from './file-errors.ts'
import { createReferenceCheck } from './check-references.ts'
import type { FindingKind, FoundBatch, FoundManifest } from './found.ts'
import { blobPath, MANIFESTS } from './layout.ts'
import { AGAIN, digestFolders, linkOf, type Reading } from './repository-reading.ts'
import { readStoredManifest } from './stored-manifest.ts'

const BATCH_MANIFESTS = 64
const BATCH_BYTES = 2 * 1024 * 1024
/** Neither takes larger ones, and Distribution serves none (blobstore's getContent). */
const MAX_MANIFEST_BYTES = 4 * 1024 * 1024
const REVISIONS = `${MANIFESTS}/revisions`

export function* readManifests(reading: Reading): Generator<FoundBatch> {
  const check = createReferenceCheck(reading)
  let manifests: FoundManifest[] = []
  let bytes = 0
  for (const digest of digestFolders(reading, REVISIONS)) {
    const link = linkOf(reading, REVISIONS, digest)
    const manifest = link && readManifest(reading, digest, link)
    if (manifest !== undefined) {
      check.note(manifest)
      manifests.push(manifest)
      bytes += manifest.bytes.byteLength
    }
    if (manifests.length < BATCH_MANIFESTS && bytes < BATCH_BYTES && !reading.isFull()) continue
    yield reading.batch({ manifests })
    manifests = []
    bytes = 0
  }
  check.finish()
  if (manifests.length > 0) yield reading.batch({ manifests })
}

/**
 * Registers it as found.
 * @param stored whose file it is; for a sha512 that may be its sha256
 */
export function readManifest(
  reading: Reading,
  digest: Digest,
  { stored, at }: { stored: Digest; at: number },
): FoundManifest | undefined {
  const read = readBytes(`${reading.dataFolder}/${blobPath(stored)}`)
  if (!(read instanceof Uint8Array)) {
    refuse(reading, digest, read.kind, read.why)
    return undefined
  }
  if (digestOf(algorithmOf(digest), read) !== digest) {
    refuse(reading, digest, 'damaged-manifest', `its bytes have another digest: they are damaged. ${AGAIN}`)
    return undefined
  }
  const result = readStoredManifest(read)
  switch (result.kind) {
    case 'schema1':
      refuse(reading, digest, 'schema1', SCHEMA1)
      return undefined
    case 'unreadable':
      refuse(reading, digest, 'unreadable-manifest', `${result.why}. ${AGAIN}`)
      return undefined
    case 'manifest':
      break
  }
  for (const dropped of result.dropped) {
    reading.find(
      'layer-without-link',
      `manifest ${digest} names ${dropped}, a digest that Berth does not know`,
    )
  }
  reading.manifests.set(digest, read.byteLength)
  return { digest, bytes: read, parsed: result.parsed, pushedAt: at }
}

const SCHEMA1 =
  'it is in the form of Docker before 2016 (schema 1), which neither Berth nor Distribution 3 serves. ' +
  'With Distribution 2.x, pull it and push it again with a client of today'

function refuse(reading: Reading, digest: Digest, kind: FindingKind, why: string): void {
  reading.refused.set(digest, kind)
  reading.find(kind, `manifest ${digest}: ${why}`, { digest })
}

/** All bytes, in memory of their own. */
function readBytes(path: string): Uint8Array | { kind: FindingKind; why: string } {
  let file: number | undefined
  try {
    file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
    const stats = fstatSync(file)
    if (!stats.isFile()) return { kind: 'unreadable-manifest', why: `${path} is not a file` }
    if (stats.size === 0)
      return { kind: 'empty-blob', why: `its bytes are empty: a write that was cut off. ${AGAIN}` }
    if (stats.size > MAX_MANIFEST_BYTES) {
      return {
        kind: 'unreadable-manifest',
        why: `it has ${stats.size} bytes; a manifest has at most ${MAX_MANIFEST_BYTES}`,
      }
    }
    const bytes = new Uint8Array(stats.size)
    let length = 0
    for (let read = -1; read !== 0 && length < bytes.byteLength; length += read) {
      read = readSync(file, bytes, length, bytes.byteLength - length, length)
    }
    return length === bytes.byteLength ? bytes : bytes.slice(0, length)
  } catch (error) {
    if (isAbsent(error)) return { kind: 'revision-without-data', why: `its bytes are gone. ${AGAIN}` }
    return { kind: 'not-readable', why: refusalText(error) }
  } finally {
    if (file !== undefined) closeSync(file)
  }
}
