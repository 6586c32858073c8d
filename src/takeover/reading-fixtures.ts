/** What the tests of reading a repository share. */
import type { TestContext } from 'node:test'
import { temporaryFolder } from '../../test/lib/temporary.ts'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { FindingKind, FoundBatch } from './found.ts'
import { readRepository } from './read-repository.ts'
import { createDistributionFolder, type DistributionFolder, imageOf, sha256Of } from './takeover-fixtures.ts'

export const NAME = 'team/app' as RepositoryName
/** Its folder below `docker/registry/v2`. */
export const R = `repositories/${NAME}`
export const T0 = Date.UTC(2020, 0, 1)
export const MANIFEST = imageOf('config', ['layer'])
export const DAMAGED = imageOf('config', ['layer'], { annotations: { note: 'damaged' } })
export const SCHEMA1 = JSON.stringify({ schemaVersion: 1, name: NAME, tag: '1', fsLayers: [], history: [] })
/** Of nothing that is there. */
export const SOME = sha256Of('not there')
export const hexOf = (digest: Digest): string => digest.slice(7)

export function folderFor(t: TestContext): DistributionFolder {
  return createDistributionFolder(temporaryFolder(t, 'takeover'))
}

export type Read = Omit<FoundBatch, 'findings'> & { findings: [FindingKind, string][]; batches: FoundBatch[] }

/** All that is read of a repository; findings are pairs of kind and detail. */
export function read(folder: DistributionFolder, name = NAME): Read {
  const batches = [...readRepository(folder.root, name)]
  return {
    batches,
    blobs: batches.flatMap(({ blobs }) => blobs),
    manifests: batches.flatMap(({ manifests }) => manifests),
    tags: batches.flatMap(({ tags }) => tags),
    findings: batches.flatMap(({ findings }) => findings).map(({ kind, detail }) => [kind, detail]),
  }
}
