/** A repository as it is read from the folder, in parts that one transaction each can take. */
import { randomBytes } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { encodeBatch, type ImportBatch } from '../metadata/import-batch.ts'
import type { ManifestDetails } from '../metadata/manifests.ts'
import { algorithmOf, type Digest, digestOf } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'
import { imageConfigDetails, isImageConfig } from '../registry/image-config.ts'
import type { Finding, FoundBatch, FoundManifest } from './found.ts'
import { blobPath } from './layout.ts'
import type { Counts, ReadPart } from './folder-messages.ts'
import { readRepository } from './read-repository.ts'
import { requireStillThere } from './still-there.ts'

/** A part ends when it has so many rows, or bytes of manifests, or has taken this long to read. */
const PART_ROWS = 400
const PART_BYTES = 512 * 1024
const PART_MS = 20
/** Findings of one kind that are kept for a repository. */
const MOST_OF_A_KIND = 100
const CONFIGS_KEPT = 500

/** One `next` reads one part; the last has `end`. @throws what the system says of a file or folder */
export async function* readParts(
  dataFolder: string,
  { name, published }: { name: RepositoryName; published: boolean },
): AsyncGenerator<ReadPart, void> {
  const asOf = Date.now()
  const found = readRepository(dataFolder, name)
  const details = createConfigReader(dataFolder)
  const findings = createFindings()
  let oldest = asOf
  for (;;) {
    const part = newPart()
    const isLast = await fill(part, found, details)
    if (isLast) requireStillThere(dataFolder)
    findings.add(part.findings)
    oldest = Math.min(oldest, oldestOf(part.batch))
    yield {
      batch: encodeBatch(part.batch, () => randomBytes(16).toString('hex')),
      counts: countsOf(part.batch, part.findings),
      end: isLast ? { published, oldest, asOf, findings: findings.kept() } : undefined,
    }
    if (isLast) return
  }
}

type Part = {
  batch: { [K in keyof ImportBatch]: ImportBatch[K][number][] }
  findings: Finding[]
}

const newPart = (): Part => ({ batch: { blobs: [], manifests: [], tags: [] }, findings: [] })

/** @returns whether there is nothing more */
async function fill(
  { batch, findings }: Part,
  found: Iterator<FoundBatch> | AsyncIterator<FoundBatch>,
  detailsOf: (manifest: FoundManifest) => ManifestDetails,
): Promise<boolean> {
  const until = performance.now() + PART_MS
  let bytes = 0
  for (;;) {
    const next = await found.next()
    if (next.done === true) return true
    batch.blobs.push(...next.value.blobs)
    batch.tags.push(...next.value.tags)
    findings.push(...next.value.findings)
    for (const manifest of next.value.manifests) {
      bytes += manifest.bytes.byteLength
      batch.manifests.push({ ...manifest, parsed: { ...manifest.parsed, ...detailsOf(manifest) } })
    }
    const rows = batch.blobs.length + batch.manifests.length + batch.tags.length
    if (rows >= PART_ROWS || bytes >= PART_BYTES || performance.now() >= until) return false
  }
}

function oldestOf({ blobs, manifests, tags }: ImportBatch): number {
  let oldest = Infinity
  for (const { linkedAt } of blobs) oldest = Math.min(oldest, linkedAt)
  for (const { pushedAt } of manifests) oldest = Math.min(oldest, pushedAt)
  for (const { movedAt } of tags) oldest = Math.min(oldest, movedAt)
  return oldest
}

function countsOf({ blobs, manifests, tags }: ImportBatch, findings: readonly Finding[]): Counts {
  const history = tags.reduce((sum, tag) => sum + tag.history.length + 1, 0)
  return {
    blobs: blobs.length,
    manifests: manifests.length,
    tags: tags.length,
    links: blobs.length + manifests.length + tags.length + history,
    findings: findings.length,
  }
}

/** Platform and time of creation, from the config; configs that many manifests share are read once. */
function createConfigReader(dataFolder: string): (manifest: FoundManifest) => ManifestDetails {
  const kept = new Map<Digest, ManifestDetails>()
  return ({ parsed: { config } }) => {
    if (config === undefined || !isImageConfig(config.mediaType, config.size)) return {}
    const known = kept.get(config.digest)
    if (known !== undefined) return known
    const details = readConfig(join(dataFolder, blobPath(config.digest)), config)
    if (kept.size >= CONFIGS_KEPT) kept.clear()
    kept.set(config.digest, details)
    return details
  }
}

/** What cannot be read says nothing; that it is missing is found elsewhere. */
function readConfig(file: string, { digest, size }: { digest: Digest; size: number }): ManifestDetails {
  try {
    if (statSync(file).size !== size) return {}
    const bytes = readFileSync(file)
    return digestOf(algorithmOf(digest), bytes) === digest ? imageConfigDetails(bytes) : {}
  } catch {
    return {}
  }
}

/** As many of each kind as are kept, and how many more there are. */
function createFindings() {
  const kinds = new Map<string, { kept: { kind: string; detail: string }[]; more: number }>()
  return {
    add(findings: readonly Finding[]): void {
      for (const { kind, detail } of findings) {
        const of = kinds.get(kind) ?? { kept: [], more: 0 }
        kinds.set(kind, of)
        if (of.kept.length < MOST_OF_A_KIND) of.kept.push({ kind, detail })
        else of.more++
      }
    },
    kept(): { kind: string; detail: string }[] {
      return [...kinds].flatMap(([kind, { kept, more }]) =>
        more === 0 ? kept : [...kept, { kind, detail: `and ${more} more of this kind` }],
      )
    },
  }
}
