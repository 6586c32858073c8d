/** Manifests: rows with their bytes, so that a pull is one query. */
import { findLinkedBlob, LEASE_PROMISE_MS } from '../metadata/blob-links.ts'
import {
  findManifest,
  type ManifestDetails,
  putManifestRows,
  type PutOutcome,
  renewManifest,
  type StoredManifest,
} from '../metadata/manifests.ts'
import { findOrCreateRepository, findRepository } from '../metadata/repositories.ts'
import { deleteManifestRow, deleteTagRow } from '../metadata/deletions.ts'
import { algorithmOf, type Digest, digestOf } from '../oci/digest.ts'
import { RegistryError } from '../oci/error.ts'
import { type ManifestReference, type ParsedManifest, parseManifest } from '../oci/manifest.ts'
import type { Reference, RepositoryName, Tag } from '../oci/reference.ts'
import { actorOf } from './actor.ts'
import { type HostedParts, type HostedRules, requireDeletes } from './hosted-parts.ts'
import { readImageConfig } from './image-config.ts'
import type { ManifestPut, Registry } from './registry.ts'
import { type Waiting, whenKnown } from '../lib/waiting.ts'
import { ignoringFullDisk } from './storage-errors.ts'

type ManifestVerbs = Pick<
  Registry,
  'getManifest' | 'statManifest' | 'putManifest' | 'deleteManifest' | 'deleteTag'
>

export function createHostedManifests(parts: HostedParts): ManifestVerbs {
  const { db, clock, rules, pulls } = parts

  function find(repository: RepositoryName, reference: Reference): Waiting<StoredManifest> {
    return whenKnown(findManifest(db, repository, reference), (manifest) => {
      if (manifest === undefined) throw unknownManifest(reference)
      if (reference.kind === 'tag' || manifest.expiresAt === undefined) return manifest
      return keepFor(repository, manifest).then((isKept) => (isKept ? manifest : find(repository, reference)))
    })
  }

  /** A digest that was just read may be named in a push a little later. @returns false: look again */
  async function keepFor(repository: RepositoryName, manifest: StoredManifest): Promise<boolean> {
    const now = clock.now()
    if (rules.readOnly || (manifest.leaseUntil ?? 0) >= now + LEASE_PROMISE_MS) return true
    return (await ignoringFullDisk(renewManifest(db, repository, manifest, now))) ?? true
  }

  async function detailsOf(repository: RepositoryName, manifest: ParsedManifest): Promise<ManifestDetails> {
    if (manifest.config === undefined) return {}
    const blob = await findLinkedBlob(db, repository, manifest.config.digest)
    return blob === undefined ? {} : readImageConfig(parts.store, manifest.config, blob)
  }

  async function store(
    call: Parameters<Registry['putManifest']>[0],
    repository: RepositoryName,
    put: ManifestPut,
    digest: Digest,
    manifest: ParsedManifest & ManifestDetails,
  ): Promise<Exclude<PutOutcome, { kind: 'repository-gone' }>> {
    for (;;) {
      const actor = actorOf(call, clock.now())
      const row = await findOrCreateRepository(db, repository, actor.principalName, actor.now)
      const isRequired = (reference: ManifestReference) => mustBeHere(reference, manifest, rules)
      const outcome = await putManifestRows(db, row, digest, put.bytes, manifest, isRequired, put, actor)
      if (outcome.kind !== 'repository-gone') return outcome
    }
  }

  return {
    getManifest: (_call, repository, reference) =>
      whenKnown(find(repository, reference), (manifest) => {
        pulls.manifest(manifest.repositoryId, manifest.digest, reference.tag, manifest.bytes.byteLength)
        return manifest
      }),
    statManifest: (_call, repository, reference) =>
      whenKnown(find(repository, reference), ({ digest, mediaType, bytes }) => ({
        digest,
        mediaType,
        size: bytes.byteLength,
      })),
    async putManifest(call, repository, put) {
      const digest = checkedDigest(put)
      const manifest = parseManifest(put.mediaType, put.bytes, rules.maxReferences)
      checkUrls(manifest, rules)
      const details = await detailsOf(repository, manifest)
      const outcome = await store(call, repository, put, digest, { ...manifest, ...details })
      if (outcome.kind === 'missing') throw missingReferences(outcome.digests)
      if (outcome.kind === 'other-type') throw otherType(outcome)
      if (outcome.kind === 'tags-taken') throw tagsTaken(outcome.tags)
      return { digest, ...(manifest.subject && { subject: manifest.subject.digest }) }
    },
    async deleteManifest(call, repository, digest) {
      requireDeletes(rules)
      const row = await findRepository(db, repository)
      const actor = actorOf(call, clock.now())
      const deleted = row !== undefined && (await deleteManifestRow(db, row, digest, rules.keepMs, actor))
      if (!deleted) throw unknownManifest({ kind: 'digest', digest })
    },
    async deleteTag(call, repository, tag) {
      requireDeletes(rules)
      const deleted = await deleteTagRow(db, repository, tag, rules.keepMs, actorOf(call, clock.now()))
      if (!deleted) throw unknownManifest({ kind: 'tag', tag })
    },
  }
}

function unknownManifest(reference: Reference): RegistryError {
  const detail = reference.kind === 'tag' ? { tag: reference.tag } : { digest: reference.digest }
  return new RegistryError('MANIFEST_UNKNOWN', undefined, { detail })
}

function checkedDigest(put: ManifestPut): Digest {
  const algorithm = put.digest === undefined ? 'sha256' : algorithmOf(put.digest)
  const digest = digestOf(algorithm, put.bytes)
  if (put.digest === undefined || put.digest === digest) return digest
  throw new RegistryError('DIGEST_INVALID', 'the manifest does not have the digest in the URL', {
    detail: { expected: put.digest, received: digest },
  })
}

function otherType({ mediaType, isDeleted }: PutOutcome & { kind: 'other-type' }): RegistryError {
  const why = isDeleted
    ? `these bytes were deleted here as ${mediaType} and can still be restored as that: push them with that type, or empty the trash first`
    : `these bytes are stored here as ${mediaType}; the same digest cannot mean something else`
  return new RegistryError('MANIFEST_INVALID', why)
}

function tagsTaken(tags: readonly Tag[]): RegistryError {
  const names = tags.map((tag) => `"${tag}"`).join(', ')
  const what =
    tags.length === 1
      ? `the tag ${names} is there, and moving it is denied`
      : `the tags ${names} are there, and moving them is denied`
  return new RegistryError(
    'DENIED',
    `${what}: you may create tags here, not move them. Push under a new tag, or ask for "push"`,
    { detail: { tags } },
  )
}

function missingReferences(digests: readonly Digest[]): RegistryError {
  const some = digests.slice(0, 3).join(', ') + (digests.length > 3 ? ', …' : '')
  return new RegistryError(
    'MANIFEST_BLOB_UNKNOWN',
    `the manifest names what is not in this repository (${some}): push that first`,
    { detail: { digests: digests.slice(0, 1000) } },
  )
}

/** Whether a manifest may only be pushed where this is here already. */
export function mustBeHere(
  reference: ManifestReference,
  manifest: ParsedManifest,
  rules: Pick<HostedRules, 'sparse' | 'requiredPlatforms'>,
): boolean {
  if (reference.nonDistributable || rules.sparse === 'all') return false
  if (manifest.kind === 'image') return true
  if (rules.sparse === 'indexes') return false
  const { platform } = reference.descriptor
  return (
    rules.requiredPlatforms === 'all' ||
    (platform !== undefined && matchesPlatform(platform, rules.requiredPlatforms))
  )
}

/** A platform list names os/architecture; a variant does not matter. */
function matchesPlatform(platform: string, list: readonly string[]): boolean {
  return list.some((entry) => platform === entry || platform.startsWith(`${entry}/`))
}

function checkUrls(manifest: ParsedManifest, rules: HostedRules): void {
  const { allow, deny } = rules.urls
  for (const { descriptor } of manifest.references) {
    for (const url of descriptor.urls ?? []) {
      const allowed = allow.length === 0 || allow.some((pattern) => pattern.test(url))
      if (!allowed || deny.some((pattern) => pattern.test(url))) {
        throw new RegistryError(
          'MANIFEST_INVALID',
          'a layer lies at a URL that validation.manifests.urls does not allow',
          {
            detail: { url: url.slice(0, 500) },
          },
        )
      }
    }
  }
}
