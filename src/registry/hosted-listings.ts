/** Lists: tags, repositories, referrers. */
import { createTurns } from '../lib/turns.ts'
import { createKeptPages } from '../metadata/kept-pages.ts'
import { existingManifests, findManifest } from '../metadata/manifests.ts'
import { listReferrerRows, type Referrers } from '../metadata/referrers.ts'
import { findRepository, listRepositoryNames } from '../metadata/repositories.ts'
import { listTagNames } from '../metadata/tags.ts'
import { type Descriptor, MEDIA_TYPE } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import { RegistryError } from '../oci/error.ts'
import { fallbackTag, parseManifest } from '../oci/manifest.ts'
import { parseTag, type RepositoryName } from '../oci/reference.ts'
import type { HostedParts } from './hosted-parts.ts'
import type { NamePage, Page, Registry } from './registry.ts'
import { searchNames } from './search-names.ts'

/** Of pages in memory, of each list. */
const MAX_PAGES_BYTES = 4 * 1024 * 1024

type ListingVerbs = Pick<Registry, 'listTags' | 'listReferrers' | 'listRepositories' | 'searchRepositories'>

export function createHostedListings({ db, rules }: HostedParts): ListingVerbs {
  const takeTurn = createTurns()
  /** Referrers that a client listed itself, under the fallback tag, because the registry before had no referrers API. */
  async function fallbackReferrers(repository: RepositoryName, subject: Digest): Promise<Descriptor[]> {
    const index = await findManifest(db, repository, { kind: 'tag', tag: parseTag(fallbackTag(subject)) })
    if (index === undefined || index.mediaType !== MEDIA_TYPE.ociIndex) return []
    const listed = parseManifest(index.mediaType, index.bytes, rules.maxReferences).references
    const there = await existingManifests(
      db,
      repository,
      listed.map(({ descriptor }) => descriptor.digest),
    )
    return listed
      .map(({ descriptor }) => descriptor)
      .filter(({ digest }) => there.has(digest))
      .map(({ mediaType, digest, size, artifactType, annotations }) => ({
        mediaType,
        digest,
        size,
        ...(artifactType && { artifactType }),
        ...(annotations && { annotations }),
      }))
  }

  const repositories = createKeptPages<NamePage>(db, MAX_PAGES_BYTES, ({ names }) => names.length * 128 + 512)
  const referrers = createKeptPages<Referrers>(db, MAX_PAGES_BYTES, ({ bytes }) => 2 * bytes + 512)

  async function readRepositories({ limit, after = '' }: Page): Promise<NamePage> {
    const names = await listRepositoryNames(db, after, limit + 1)
    return { names: names.slice(0, limit), more: names.length > limit }
  }

  return {
    async listTags(_call, repository, { limit, after }) {
      const found = await findRepository(db, repository)
      if (found === undefined || !found.published) {
        throw new RegistryError('NAME_UNKNOWN', undefined, { detail: { name: repository } })
      }
      return listTagNames(db, repository, after ?? '', limit)
    },
    async listReferrers(_call, repository, subject, artifactType, { limit, after }) {
      const last = after as Digest | undefined
      const { descriptors: rows, more } = await referrers.get(
        repository,
        JSON.stringify([subject, artifactType, limit, last]),
        () => listReferrerRows(db, repository, subject, artifactType, last, limit),
      )
      const listed = await fallbackReferrers(repository, subject)
      if (listed.length === 0) return { descriptors: rows, more }
      const known = new Set(rows.map(({ digest }) => digest))
      // What stands behind the last row belongs to a later page.
      const end = more ? rows.at(-1)?.digest : undefined
      const fallback = listed.filter(
        (descriptor) =>
          !known.has(descriptor.digest) &&
          (last === undefined || descriptor.digest > last) &&
          (end === undefined || descriptor.digest < end) &&
          (artifactType === undefined || descriptor.artifactType === artifactType),
      )
      if (fallback.length === 0) return { descriptors: rows, more }
      const all = [...rows, ...fallback].sort((a, b) =>
        a.digest < b.digest ? -1 : a.digest > b.digest ? 1 : 0,
      )
      return { descriptors: all.slice(0, limit), more: more || all.length > limit }
    },
    listRepositories: (_call, page) =>
      repositories.get(`${page.limit}`, page.after ?? '', () => readRepositories(page)),
    searchRepositories: (call, text, page) =>
      // It walks past everything: not through memory.
      searchNames(readRepositories, text, page, call.signal, takeTurn),
  }
}
