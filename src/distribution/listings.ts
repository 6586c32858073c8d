/** Lists: tags, repositories, referrers (end-8, end-12, and the catalog). */
import type { ServerResponse } from 'node:http'
import { MEDIA_TYPE } from '../oci/descriptor.ts'
import type { NamePage, Page } from '../registry/registry.ts'
import type { Exchange } from './exchange.ts'
import { nextLink } from './location.ts'
import type { RouteOf } from './route.ts'
import { sendBytes, sendHead } from './send.ts'

/** Entries that are in memory at a time, whatever was asked for. */
const MAX_PAGE = 10_000
const DEFAULT_REPOSITORIES = 100
const MAX_REFERRERS = 1000
const JSON_TYPE = ['Content-Type', 'application/json'] as const

/** Without `n` the whole list, as the specification and every client want it: in pages, so that memory is bounded. */
export async function listTags(x: Exchange, route: RouteOf<'listTags'>): Promise<void> {
  const { registry, limits } = x.settings
  const limit = route.n === undefined ? MAX_PAGE : pageSize(route.n, limits.tagsMax)
  // Of no tags at all: the answer still depends on whether there is such a repository.
  const query: Page = { limit: Math.max(limit, 1), after: route.last }
  const page = await registry.listTags(x.call, route.repository, query)
  if (limit === 0) return sendList(x, Buffer.from(JSON.stringify({ name: route.asked, tags: [] })), [])
  if (route.n === undefined && page.more) return streamTags(x, route, page)
  const last = page.more ? page.names.at(-1) : undefined
  const path = `${route.asked}/tags/list`
  sendList(
    x,
    bodyOf(page.names, route.asked, { name: route.asked, tags: page.names }),
    last === undefined ? [] : link(x, path, limit, last),
  )
}

/** Bodies of pages that the registry keeps in memory, as long as it keeps them. */
const bodies = new WeakMap<readonly unknown[], { of: string; body: Buffer }>()

/** @param of what the document is of, beside its entries */
function bodyOf(entries: readonly unknown[], of: string, document: object): Buffer {
  const known = bodies.get(entries)
  if (known?.of === of) return known.body
  const body = Buffer.from(JSON.stringify(document))
  bodies.set(entries, { of, body })
  return body
}

async function streamTags(x: Exchange, route: RouteOf<'listTags'>, first: NamePage): Promise<void> {
  const { response } = x
  sendHead(x, 200, JSON_TYPE)
  let page = first
  let text = `{"name":${JSON.stringify(route.asked)},"tags":[${inList(page.names)}`
  while (page.more) {
    await write(response, text)
    const after = page.names.at(-1)
    page = await x.settings.registry.listTags(x.call, route.repository, { limit: MAX_PAGE, after })
    text = page.names.length === 0 ? '' : `,${inList(page.names)}`
  }
  response.end(`${text}]}`)
}

function inList(names: readonly string[]): string {
  return JSON.stringify(names).slice(1, -1)
}

/** Waits until there is room for more. @throws when the client is gone */
function write(response: ServerResponse, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const onClose = (): void => reject(new Error('the client left before it had the whole list'))
    if (response.destroyed) return onClose()
    response.once('close', onClose)
    response.write(text, (error) => {
      response.off('close', onClose)
      if (error) reject(error)
      else resolve()
    })
  })
}

export async function listRepositories(x: Exchange, route: RouteOf<'listRepositories'>): Promise<void> {
  const limit = pageSize(route.n ?? DEFAULT_REPOSITORIES, x.settings.limits.catalogMax)
  const page =
    limit === 0
      ? { names: [], more: false }
      : await x.settings.registry.listRepositories(x.call, { limit, after: route.last })
  const last = page.more ? page.names.at(-1) : undefined
  const headers = last === undefined ? [] : link(x, '_catalog', limit, last)
  sendList(x, bodyOf(page.names, '', { repositories: page.names }), headers)
}

/** Never 404: clients take that for a registry without referrers, and write fallback tags. */
export async function listReferrers(x: Exchange, route: RouteOf<'listReferrers'>): Promise<void> {
  const { repository, subject, artifactType, last } = route
  const limit = pageSize(route.n ?? MAX_REFERRERS, MAX_REFERRERS)
  const page =
    limit === 0
      ? { descriptors: [], more: false }
      : await x.settings.registry.listReferrers(x.call, repository, subject, artifactType, {
          limit,
          after: last,
        })
  const headers = artifactType === undefined ? [] : ['OCI-Filters-Applied', 'artifactType']
  const next = page.more ? page.descriptors.at(-1)?.digest : undefined
  if (next !== undefined) {
    headers.push(...link(x, `${route.asked}/referrers/${subject}`, limit, next, artifactType))
  }
  const index = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: page.descriptors }
  const body = bodyOf(page.descriptors, '', index)
  const head = ['Content-Type', MEDIA_TYPE.ociIndex, 'Content-Length', `${body.byteLength}`, ...headers]
  sendBytes(x, 200, head, body)
}

/** Too large a number is cut, not refused: clients ask for everything in that way. 0 as a setting: no limit of its own. */
function pageSize(asked: number, max: number): number {
  return Math.min(asked, max > 0 ? max : MAX_PAGE, MAX_PAGE)
}

function link(x: Exchange, path: string, n: number, last: string, artifactType?: string): string[] {
  return ['Link', nextLink(x.settings.prefix, path, { n, last, artifactType })]
}

function sendList(x: Exchange, body: Buffer, headers: readonly string[]): void {
  sendBytes(x, 200, [...JSON_TYPE, 'Content-Length', `${body.byteLength}`, ...headers], body)
}
