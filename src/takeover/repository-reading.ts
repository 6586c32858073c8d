/** What the parts of reading one repository share: where it is, what was found so far, folders named after digests. */
import { readdirSync, type Stats, statSync } from 'node:fs'
import { type Digest, isDigest, isDigestAlgorithm } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'
import { isAbsent, refusalText } from './file-errors.ts'
import type { Finding, FindingKind, FoundBatch } from './found.ts'
import { digestPath, isTemporaryName, LINK, parseLinkText, repositoryPath } from './layout.ts'
import { readLinkFile } from './read-link.ts'

/** Items of a batch at most. */
export const BATCH_ITEMS = 256

export type Reading = {
  readonly dataFolder: string
  readonly name: RepositoryName
  /** The repository's folder. */
  readonly folder: string
  /** Digests that `_layers` links → size of the file, or undefined where it is gone or of no use. */
  readonly layers: Map<Digest, number | undefined>
  /** Manifests that were found → their size. */
  readonly manifests: Map<Digest, number>
  /** Manifests that are there and cannot be taken over → why. */
  readonly refused: Map<Digest, FindingKind>
  find(kind: FindingKind, detail: string, more?: Pick<Finding, 'bytes' | 'digest'>): void
  /** Whether the findings alone fill a batch. */
  isFull(): boolean
  /** A batch of these and of the findings so far. */
  batch(found: Partial<Omit<FoundBatch, 'findings'>>): FoundBatch
}

export function createReading(dataFolder: string, name: RepositoryName): Reading {
  let findings: Finding[] = []
  return {
    dataFolder,
    name,
    folder: `${dataFolder}/${repositoryPath(name)}`,
    layers: new Map(),
    manifests: new Map(),
    refused: new Map(),
    find(kind, detail, more) {
      findings.push({ repository: name, kind, detail, ...more })
    },
    isFull: () => findings.length >= BATCH_ITEMS,
    batch(found) {
      const batch = { blobs: [], manifests: [], tags: [], ...found, findings }
      findings = []
      return batch
    },
  }
}

/** The names in a folder of the repository; none where it is absent or, as is then told, cannot be read. */
export function listNames(reading: Reading, path: string): string[] {
  try {
    return readdirSync(`${reading.folder}/${path}`)
  } catch (error) {
    if (!isAbsent(error)) reading.find('not-readable', `${path} ${refusalText(error)}`)
    return []
  }
}

/** @param file an absolute path; `what` is it for a person */
export function statFile(reading: Reading, file: string, what: string): Stats | 'absent' | 'refused' {
  try {
    return statSync(file, { throwIfNoEntry: false }) ?? 'absent'
  } catch (error) {
    reading.find('not-readable', `${what} ${refusalText(error)}`)
    return 'refused'
  }
}

export function isFolder(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
  } catch {
    return false
  }
}

/** Told of what Distribution does not write there; leftovers of its own writes are passed over. */
export function tellUnknown(reading: Reading, path: string, why = 'not written by Distribution'): void {
  if (!isTemporaryName(path)) reading.find('unknown-file', `${path}: ${why}; left alone`)
}

const OTHER_DIGESTS = 'digests of a kind that Berth does not know (it knows sha256 and sha512)'

/** The digests whose folders are below `path` (`<path>/<algorithm>/<hex>`), as they are listed. */
export function* digestFolders(reading: Reading, path: string): Generator<Digest> {
  for (const algorithm of listNames(reading, path)) {
    const below = `${path}/${algorithm}`
    if (!isDigestAlgorithm(algorithm)) {
      tellUnknown(reading, below, isFolder(`${reading.folder}/${below}`) ? OTHER_DIGESTS : undefined)
      continue
    }
    for (const hex of listNames(reading, below)) {
      const digest = `${algorithm}:${hex}`
      if (isDigest(digest)) yield digest
      else tellUnknown(reading, `${below}/${hex}`)
    }
  }
}

/**
 * The link in a folder of {@link digestFolders}; undefined where there is none of use, as was then told. A folder that
 * a delete or a crash left empty is nothing to tell.
 */
export function linkOf(
  reading: Reading,
  path: string,
  digest: Digest,
): { stored: Digest; at: number } | undefined {
  const folder = `${path}/${digestPath(digest)}`
  const link = readLinkFile(`${reading.folder}/${folder}/${LINK}`)
  switch (link.kind) {
    case 'absent':
      tellLeftovers(reading, folder)
      return undefined
    case 'refused':
      reading.find('not-readable', `${folder}/${LINK} ${link.why}`)
      return undefined
    case 'bad':
      reading.find('bad-link', `${folder}/${LINK} ${link.why}. ${AGAIN}`)
      return undefined
    case 'link':
      break
  }
  const stored = parseLinkText(link.text)
  // A blob pushed by its sha512 lies under its sha256, which is what the link holds.
  if (stored === digest || (stored?.startsWith('sha256:') && digest.startsWith('sha512:'))) {
    return { stored, at: link.at }
  }
  const held = stored ?? JSON.stringify(link.text.slice(0, 80))
  const why = stored === undefined ? 'which is no digest' : 'another digest than its place says'
  reading.find('bad-link', `${folder}/${LINK} holds ${held}, ${why}. ${AGAIN}`)
  return undefined
}

/** What helps against most of what is told. */
export const AGAIN = 'Push the image again, or delete it'

function tellLeftovers(reading: Reading, folder: string): void {
  if (!isFolder(`${reading.folder}/${folder}`)) {
    tellUnknown(reading, folder)
    return
  }
  // Signatures of schema 1 stand beside the link of a manifest.
  const names = listNames(reading, folder).filter((name) => name !== 'signatures')
  for (const name of names) tellUnknown(reading, `${folder}/${name}`)
}
