/**
 * CNCF Distribution lists no referrers, so clients look for a tag instead: `sha256-<hex of the subject>`, which names an
 * index of them (distribution-spec, "Referrers Tag Schema"). These tags are made for Distribution only; in Berth there
 * are none of them but those that clients pushed, whose entries are kept.
 */
import type { Db } from '../metadata/database.ts'
import { tagsAmong } from '../metadata/contents-among.ts'
import { manifestBytes, pageOfSubjects } from '../metadata/repository-contents.ts'
import { listReferrerRows } from '../metadata/referrers.ts'
import { type Descriptor, MEDIA_TYPE } from '../oci/descriptor.ts'
import { type Digest, digestOf } from '../oci/digest.ts'
import { fallbackTag } from '../oci/manifest.ts'
import type { RepositoryName, Tag } from '../oci/reference.ts'
import { MAX_MANIFEST_BYTES } from './as-distribution-reads.ts'
import type { Added } from './export-removals.ts'
import { eachPage, PAGE, type RepositoryExport } from './export-repository.ts'
import { blobPath, currentLinkPath, indexLinkPath, revisionLinkPath } from './layout.ts'

/** @param now the time of what is written: nothing in the rows tells one. Milliseconds */
export async function writeFallbackTags(
  work: RepositoryExport,
  leftOut: ReadonlySet<Digest>,
  now: number,
): Promise<Added> {
  const { reader, repository } = work
  const added = { tags: new Set<string>(), manifests: new Set<Digest>() }
  await eachPage(
    (after: Digest | undefined) => pageOfSubjects(reader, repository.id, after, PAGE),
    async (subjects) => {
      for (const subject of subjects) await writeOne(work, subject, leftOut, now, added)
    },
  )
  await work.tree.flush()
  return added
}

async function writeOne(
  work: RepositoryExport,
  subject: Digest,
  leftOut: ReadonlySet<Digest>,
  now: number,
  added: { tags: Set<string>; manifests: Set<Digest> },
): Promise<void> {
  const { tree, repository, counts, remark } = work
  work.check()
  const tag = fallbackTag(subject) as Tag
  const listed = await referrersOf(work.reader, repository.name, subject)
  const pushed = await pushedUnder(work, tag)
  const all = [...pushed, ...listed.filter(({ digest }) => !pushed.some((one) => one.digest === digest))]
  const held = all.filter(({ digest }) => !leftOut.has(digest))
  if (held.length === 0 || held.length === pushed.length) return
  const bytes = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: held }),
  )
  if (bytes.length > MAX_MANIFEST_BYTES) {
    const detail = `${tag}: its list of ${held.length} referrers is larger than the 4 MiB that Distribution reads`
    remark({ repository: repository.name, kind: 'tag-left-out', detail })
    return
  }
  const digest = digestOf('sha256', bytes)
  await tree.writeBytes(blobPath(digest), bytes)
  await tree.flush()
  for (const path of [
    revisionLinkPath(repository.name, digest),
    indexLinkPath(repository.name, tag, digest),
    currentLinkPath(repository.name, tag),
  ]) {
    if ((await tree.writeLink(path, digest, now)) === 'written') counts.written++
  }
  added.tags.add(tag)
  added.manifests.add(digest)
  counts.fallbackTags++
}

async function referrersOf(
  reader: Pick<Db, 'read'>,
  repository: RepositoryName,
  subject: Digest,
): Promise<Descriptor[]> {
  const found: Descriptor[] = []
  for (let after: Digest | undefined; ;) {
    const page = await listReferrerRows(reader, repository, subject, undefined, after, PAGE)
    found.push(...page.descriptors)
    // An index of so many is refused anyway.
    if (!page.more || found.length > MAX_MANIFEST_BYTES / 100) return found
    after = found.at(-1)?.digest
  }
}

/** What a client listed itself, before there was a registry that did. */
async function pushedUnder({ reader, repository }: RepositoryExport, tag: Tag): Promise<Descriptor[]> {
  const digest = (await tagsAmong(reader, repository.id, [tag])).get(tag)?.digest
  const bytes = digest === undefined ? undefined : await manifestBytes(reader, repository.id, digest)
  if (bytes === undefined) return []
  const { manifests } = JSON.parse(Buffer.from(bytes).toString()) as { manifests?: Descriptor[] | null }
  return manifests ?? []
}
