/** Blobs: pull, delete (end-2, end-10). */
import { type Waiting, whenKnown } from '../lib/waiting.ts'
import { RegistryError } from '../oci/error.ts'
import type { BlobContent } from '../registry/registry.ts'
import { etagOf, ifRange, noneMatch } from './etag.ts'
import type { Exchange } from './exchange.ts'
import { asAttachment } from './manifests.ts'
import { parseRange } from './range.ts'
import type { RouteOf } from './route.ts'
import { sendEmpty, sendHead, sendSource } from './send.ts'

export function getBlob(x: Exchange, route: RouteOf<'getBlob'>): Waiting<void> {
  const { headers } = x.request
  if (noneMatch(headers['if-none-match'], route.digest)) return notModified(x, route)
  const ranged =
    headers.range !== undefined && ifRange(headers['if-range'] as string | undefined, route.digest)
  const opened = ranged ? openRange(x, route, headers.range) : open(x, route, undefined)
  return whenKnown(opened, (blob) => sendBlob(x, route, blob))
}

function sendBlob(x: Exchange, route: RouteOf<'getBlob'>, blob: BlobContent): Waiting<void> {
  const { range, source } = blob
  const head = blobHeaders(x, route, source.length)
  if (range !== undefined) head.push('Content-Range', `bytes ${range.first}-${range.last}/${blob.size}`)
  try {
    sendHead(x, range === undefined ? 200 : 206, head)
  } catch (error) {
    source.close()
    throw error
  }
  return sendSource(x.response, source)
}

function open(
  x: Exchange,
  route: RouteOf<'getBlob'>,
  range: Parameters<typeof x.settings.registry.openBlob>[3],
): Waiting<BlobContent> {
  return x.settings.registry.openBlob(x.call, route.repository, route.digest, range)
}

/** An empty blob has no ranges at all. @throws RegistryError RANGE_INVALID */
async function openRange(
  x: Exchange,
  route: RouteOf<'getBlob'>,
  header: string | undefined,
): Promise<BlobContent> {
  const range = parseRange(header)
  try {
    if (range === 'unsatisfiable') throw new RegistryError('RANGE_INVALID')
    return await open(x, route, range)
  } catch (error) {
    if (!(error instanceof RegistryError) || error.code !== 'RANGE_INVALID') throw error
  }
  const { size } = await x.settings.registry.statBlob(x.call, route.repository, route.digest)
  if (size === 0) return open(x, route, undefined)
  throw new RegistryError('RANGE_INVALID', `the blob has ${size} bytes`, { detail: { size } })
}

export function statBlob(x: Exchange, route: RouteOf<'statBlob'>): Waiting<void> {
  return whenKnown(x.settings.registry.statBlob(x.call, route.repository, route.digest), ({ size }) => {
    const isKnown = noneMatch(x.request.headers['if-none-match'], route.digest)
    return isKnown ? notModified(x, route) : sendEmpty(x, 200, blobHeaders(x, route, size))
  })
}

/**
 * Only for what is really there: a digest alone proves nothing. What caches keep the blob by is said again (RFC 9110,
 * section 15.4.5).
 */
async function notModified(x: Exchange, route: RouteOf<'getBlob' | 'statBlob'>): Promise<void> {
  if (route.kind === 'getBlob') await x.settings.registry.statBlob(x.call, route.repository, route.digest)
  sendEmpty(x, 304, ['Docker-Content-Digest', route.digest, 'ETag', etagOf(route.digest), ...cacheControl(x)])
}

/** What a digest names never changes. */
function cacheControl({ settings }: Exchange): readonly string[] {
  return settings.ownCacheControl ? [] : ['Cache-Control', 'max-age=31536000']
}

function blobHeaders(x: Exchange, route: RouteOf<'getBlob' | 'statBlob'>, length: number): string[] {
  const headers = [
    'Content-Type',
    'application/octet-stream',
    'Content-Length',
    `${length}`,
    'Docker-Content-Digest',
    route.digest,
    'ETag',
    etagOf(route.digest),
    'Accept-Ranges',
    'bytes',
    ...cacheControl(x),
  ]
  return x.request.headers['sec-fetch-dest'] === 'document' ? asAttachment(headers) : headers
}

export async function deleteBlob(x: Exchange, route: RouteOf<'deleteBlob'>): Promise<void> {
  await x.settings.registry.deleteBlob(x.call, route.repository, route.digest)
  sendEmpty(x, 202, ['Content-Length', '0'])
}
