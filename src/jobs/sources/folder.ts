/**
 * A folder as a source: a data folder of Berth or of CNCF Distribution, one that was both, or an OCI layout. Blobs are
 * found by their place, Berth's own by their file's name; manifests of Berth are rows of its database.
 */
import { createReadStream } from 'node:fs'
import { opendir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DATABASE_FILE, OWN_FOLDER } from '../../metadata/data-folder.ts'
import { openManifestReader, type ManifestReader } from '../../metadata/sqlite/read-manifests.ts'
import { type Digest, isDigest } from '../../oci/digest.ts'
import { type Source, SourceError, type Wanted } from './source.ts'

const OBJECT = /^[0-9a-f]{32}\.(sha256|sha512)-([0-9a-f]+)$/
/** Files that may have the same digest: a damaged one and a good one. */
const MOST_COPIES = 8

/** @param folder what is not there is found out at the first question */
export function createFolderSource(folder: string, name = folder): Source {
  const found = new Map<Digest, string[]>()
  let database: ManifestReader | undefined
  let isOpened = false

  const manifestBytes = (digest: Digest): Uint8Array | undefined => {
    if (!isOpened) database = openManifestReader(join(folder, OWN_FOLDER, DATABASE_FILE))
    isOpened = true
    return database?.find(digest)
  }

  return {
    name,
    async prepare(wanted, signal) {
      if (!(await stat(folder).catch(() => undefined))?.isDirectory())
        throw new SourceError(`${name}: there is no such folder`)
      found.clear()
      await findObjects(join(folder, OWN_FOLDER, 'objects'), wanted, found, signal)
    },
    async *copies(wanted) {
      if (wanted.kind === 'manifest') {
        const bytes = manifestBytes(wanted.digest)
        if (bytes !== undefined) yield once(bytes)
      }
      for (const path of [...(found.get(wanted.digest) ?? []), ...placesOf(folder, wanted)]) {
        const stats = await stat(path).catch(() => undefined)
        const isRight = stats?.isFile() === true && (wanted.size === undefined || stats.size === wanted.size)
        if (isRight) yield bytesOf(path)
      }
    },
    async close() {
      database?.close()
    },
  }
}

/** Where an OCI layout and Distribution put it; the folder may also be Distribution's inner one. */
function placesOf(folder: string, { digest }: Wanted): string[] {
  const [algorithm = '', hex = ''] = digest.split(':')
  const inner = join('blobs', algorithm, hex.slice(0, 2), hex, 'data')
  return [
    join(folder, 'docker', 'registry', 'v2', inner),
    join(folder, inner),
    join(folder, 'blobs', algorithm, hex),
  ]
}

async function findObjects(
  objects: string,
  wanted: ReadonlySet<Digest>,
  found: Map<Digest, string[]>,
  signal: AbortSignal,
): Promise<void> {
  for await (const folder of entries(objects)) {
    signal.throwIfAborted()
    for await (const file of entries(join(objects, folder))) {
      const [, algorithm, hex] = OBJECT.exec(file) ?? []
      const digest = `${algorithm}:${hex}`
      if (!isDigest(digest) || !wanted.has(digest)) continue
      const paths = found.get(digest) ?? []
      if (paths.length < MOST_COPIES) found.set(digest, [...paths, join(objects, folder, file)])
    }
  }
}

/** Opened only when it is read. */
async function* bytesOf(path: string): AsyncGenerator<Uint8Array> {
  yield* createReadStream(path, { highWaterMark: 512 * 1024 })
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

async function* entries(folder: string): AsyncGenerator<string> {
  let handle: Awaited<ReturnType<typeof opendir>>
  try {
    handle = await opendir(folder)
  } catch {
    return
  }
  for await (const entry of handle) yield entry.name
}
