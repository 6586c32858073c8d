/** Tags, repositories, referrers. */
import { REFERRERS, TAGS, type Content } from '../content/content.ts'
import type { Goal, Row } from './row.ts'

type Listing = {
  name: string
  title: string
  part: 'tags' | 'catalog' | 'referrers'
  path: (content: Content) => string
  /** What must come, by name. */
  names: (content: Content) => string[]
  of: (document: Record<string, unknown>) => string[]
  connections: readonly number[]
  needs?: NonNullable<Row['needs']>
  goal?: Goal
  quick?: boolean
}

const range = (from: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => from + index)
const textsOf =
  (field: string) =>
  (document: Record<string, unknown>): string[] =>
    document[field] as string[]
const middle = (count: number): number => Math.floor(count / 2)

const LISTINGS: readonly Listing[] = [
  {
    name: 'tags-all',
    title: 'tags/list, all',
    part: 'tags',
    path: () => `/v2/${TAGS}/tags/list`,
    names: (content) => range(0, content.counts.tags).map((index) => content.tagName(index)),
    of: textsOf('tags'),
    connections: [1, 16],
    goal: { wall: 6 },
    quick: true,
  },
  {
    name: 'tags-middle-100',
    title: 'tags/list, 100 from the middle',
    part: 'tags',
    path: ({ counts, tagName }) => `/v2/${TAGS}/tags/list?n=100&last=${tagName(middle(counts.tags) - 1)}`,
    names: ({ counts, tagName }) => range(middle(counts.tags), 100).map((index) => tagName(index)),
    of: textsOf('tags'),
    connections: [1],
    needs: 'tagPages',
    goal: { wall: 6 },
  },
  {
    name: 'catalog-first-1000',
    title: '_catalog, first 1000',
    part: 'catalog',
    path: () => '/v2/_catalog?n=1000',
    names: () => [],
    of: textsOf('repositories'),
    connections: [1],
    goal: { wall: 20 },
  },
  {
    name: 'catalog-first-100',
    title: '_catalog, first 100',
    part: 'catalog',
    path: () => '/v2/_catalog?n=100',
    names: () => [],
    of: textsOf('repositories'),
    connections: [1, 16],
    goal: { wall: 20 },
    quick: true,
  },
  {
    name: 'catalog-middle-100',
    title: '_catalog, 100 from the middle',
    part: 'catalog',
    path: ({ counts, repositoryName }) =>
      `/v2/_catalog?n=100&last=${repositoryName(middle(counts.repositories) - 1)}`,
    names: ({ counts, repositoryName }) =>
      range(middle(counts.repositories), 100).map((index) => repositoryName(index)),
    of: textsOf('repositories'),
    connections: [1],
    goal: { wall: 20 },
  },
  {
    name: 'referrers',
    title: 'referrers of one manifest',
    part: 'referrers',
    path: (content) => `/v2/${REFERRERS}/referrers/${content.small.manifest.digest}`,
    names: (content) => range(0, content.counts.referrers).map((index) => content.referrer(index).digest),
    of: (document) => (document['manifests'] as { digest: string }[]).map(({ digest }) => digest),
    connections: [1, 16],
    needs: 'referrers',
  },
]

/** Orders differ between registries (referrers have none), so names are compared as a set. */
function whatIsWrong(got: readonly string[], wanted: readonly string[]): string | undefined {
  if (wanted.length === 0) return got.length === 0 ? 'an empty list' : undefined
  const there = new Set(got)
  const missing = wanted.filter((name) => !there.has(name))
  if (missing.length > 0) return `${missing.length} of ${wanted.length} are missing, ${missing[0]} for one`
  return got.length === wanted.length ? undefined : `${got.length} names where ${wanted.length} were expected`
}

export function listingRows(): Row[] {
  return LISTINGS.flatMap((listing) =>
    listing.connections.map((connections) => ({
      name: `${listing.name}-c${connections}`,
      title: `${listing.title}, ${connections} at once`,
      parts: [listing.part],
      load: {
        kind: 'get' as const,
        connections,
        asked: (content: Content) => ({ method: 'GET' as const, path: listing.path(content), status: 200 }),
      },
      checks: (content: Content) => [
        {
          path: listing.path(content),
          json: (document: unknown) =>
            whatIsWrong(listing.of(document as Record<string, unknown>), listing.names(content)),
        },
      ],
      quick: listing.quick === true && connections === 1,
      ...(listing.goal && { goal: listing.goal }),
      ...(listing.needs && { needs: listing.needs }),
    })),
  )
}
