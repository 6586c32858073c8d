/** Whether what the manifests of a repository name is there. Each thing is told once, with the first that names it. */
import { existsSync } from 'node:fs'
import type { Digest } from '../oci/digest.ts'
import type { ManifestReference } from '../oci/manifest.ts'
import type { FoundManifest } from './found.ts'
import { blobPath } from './layout.ts'
import type { Reading } from './repository-reading.ts'

type ReferenceCheck = {
  note(manifest: FoundManifest): void
  /** After the last manifest: an index may stand before its children. */
  finish(): void
}

export function createReferenceCheck(reading: Reading): ReferenceCheck {
  const told = new Set<Digest>()
  const children = new Map<Digest, { named: number; by: Digest }>()

  function checkBlob({ descriptor, nonDistributable, kind }: ManifestReference, by: Digest): void {
    const { digest, size } = descriptor
    if (told.has(digest)) return
    const actual = reading.layers.get(digest)
    if (actual === size || (actual === undefined && nonDistributable)) return
    told.add(digest)
    if (actual !== undefined) tellSize(reading, digest, actual, size, by)
    else tellMissing(reading, kind === 'config' ? 'config' : 'layer', digest, by)
  }

  return {
    note({ digest: by, parsed }) {
      for (const reference of parsed.references) {
        const { digest, size } = reference.descriptor
        if (reference.kind !== 'child') checkBlob(reference, by)
        else if (!children.has(digest)) children.set(digest, { named: size, by })
      }
    },
    finish() {
      for (const [digest, { named, by }] of children) {
        const actual = reading.manifests.get(digest) ?? reading.layers.get(digest)
        if (actual === undefined) tellMissing(reading, 'manifest', digest, by)
        else if (actual !== named) tellSize(reading, digest, actual, named, by)
      }
    },
  }
}

function tellSize(reading: Reading, digest: Digest, actual: number, named: number, by: Digest): void {
  reading.find(
    'size-differs',
    `${digest} has ${actual} bytes, but manifest ${by} says ${named}: one of them is damaged. --rehash tells which; push the image again`,
  )
}

function tellMissing(
  reading: Reading,
  what: 'config' | 'layer' | 'manifest',
  digest: Digest,
  by: Digest,
): void {
  const names = `manifest ${by} names the ${what} ${digest}`
  const then = 'pulls of it fail, as they do with Distribution. Push the image again, or delete it'
  if (reading.layers.has(digest)) {
    reading.find('layer-without-data', `${names}, whose bytes are gone: ${then}`)
    return
  }
  const isStored = existsSync(`${reading.dataFolder}/${blobPath(digest)}`)
  const where = isStored ? 'which is in the store, but not in this repository' : 'which is not there'
  reading.find('layer-without-link', `${names}, ${where}: ${then}`)
}
