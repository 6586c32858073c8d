/** Pushing blobs: in one request, in a session, by mounting (end-4, end-5, end-6, end-11, end-13, end-14). */
import { algorithmOf, digestOf, type Digest, type DigestAlgorithm } from '../oci/digest.ts'
import { RegistryError } from '../oci/error.ts'
import type { Chunk, UploadStatus } from '../registry/registry.ts'
import { bodyLength, hasBody, readBody } from './body.ts'
import type { Exchange } from './exchange.ts'
import { blobLocation, uploadLocation } from './location.ts'
import { parseContentRange, uploadRange } from './range.ts'
import type { InRepository, RouteOf } from './route.ts'
import { sendEmpty } from './send.ts'

const NOTHING = new Uint8Array(0)

export async function startUpload(x: Exchange, route: RouteOf<'startUpload'>): Promise<void> {
  await openSession(x, route, route.algorithm)
}

async function openSession(x: Exchange, place: InRepository, algorithm: DigestAlgorithm | undefined) {
  const status = await x.settings.registry.startUpload(x.call, place.repository, algorithm)
  sendEmpty(x, 202, [...uploadHeaders(x, place, status), 'Content-Length', '0'])
}

/**
 * A digest without a body announces what will come, and gets a session for it; unless it is that of nothing at all.
 */
export async function putBlob(x: Exchange, route: RouteOf<'putBlob'>): Promise<void> {
  const algorithm = algorithmOf(route.digest)
  if (!hasBody(x.request) && route.digest !== digestOf(algorithm, NOTHING)) {
    return openSession(x, route, algorithm)
  }
  await x.settings.registry.putBlob(x.call, route.repository, route.digest, chunkOf(x, undefined))
  sendCreated(x, route, route.digest)
}

/** What cannot be mounted, for whatever reason, is uploaded: clients give up on an error here. */
export async function mountBlob(x: Exchange, route: RouteOf<'mountBlob'>): Promise<void> {
  const { registry } = x.settings
  const outcome = await registry.mountBlob(x.call, route.repository, route.digest, route.from)
  if (outcome === 'mounted') return sendCreated(x, route, route.digest)
  await openSession(x, route, algorithmOf(route.digest))
}

export async function getUpload(x: Exchange, route: RouteOf<'getUpload'>): Promise<void> {
  const status = await x.settings.registry.getUpload(x.call, route.repository, route.id)
  sendEmpty(x, 204, uploadHeaders(x, route, status))
}

export async function appendUpload(x: Exchange, route: RouteOf<'appendUpload'>): Promise<void> {
  const chunk = chunkOf(x, await contentRange(x, route))
  const status = await x.settings.registry.appendUpload(x.call, route.repository, route.id, chunk)
  sendEmpty(x, 202, [...uploadHeaders(x, route, status), 'Content-Length', '0'])
}

export async function finishUpload(x: Exchange, route: RouteOf<'finishUpload'>): Promise<void> {
  const chunk = hasBody(x.request) ? chunkOf(x, await contentRange(x, route)) : undefined
  await x.settings.registry.finishUpload(x.call, route.repository, route.id, route.digest, chunk)
  sendCreated(x, route, route.digest)
}

export async function cancelUpload(x: Exchange, route: RouteOf<'cancelUpload'>): Promise<void> {
  await x.settings.registry.cancelUpload(x.call, route.repository, route.id)
  sendEmpty(x, 204, ['Docker-Upload-UUID', route.id])
}

/**
 * The bytes this chunk is meant to be, if it says so.
 * @throws RegistryError RANGE_INVALID with where the upload stands; SIZE_INVALID where Content-Length differs
 */
async function contentRange(
  x: Exchange,
  route: RouteOf<'appendUpload' | 'finishUpload'>,
): Promise<{ first: number; last: number } | undefined> {
  const header = x.request.headers['content-range']
  if (header === undefined) return undefined
  const range = parseContentRange(header)
  if (range === undefined) {
    const upload = await x.settings.registry.getUpload(x.call, route.repository, route.id)
    throw new RegistryError('RANGE_INVALID', 'Content-Range of a chunk is <first byte>-<last byte>', {
      upload,
    })
  }
  const length = bodyLength(x.request)
  const announced = range.last - range.first + 1
  if (length === undefined || length === announced) return range
  throw new RegistryError(
    'SIZE_INVALID',
    `Content-Range tells of ${announced} bytes, Content-Length of ${length}`,
  )
}

function chunkOf(x: Exchange, range: { first: number; last: number } | undefined): Chunk {
  const chunk: Chunk = { body: readBody(x.request) }
  const length = range === undefined ? bodyLength(x.request) : range.last - range.first + 1
  if (length !== undefined) chunk.length = length
  if (range !== undefined) chunk.from = range.first
  return chunk
}

function uploadHeaders(x: Exchange, place: InRepository, { id, received }: UploadStatus): string[] {
  return [
    'Location',
    uploadLocation(x.settings.prefix, place, id),
    'Range',
    uploadRange(received),
    'Docker-Upload-UUID',
    id,
  ]
}

function sendCreated(x: Exchange, place: InRepository, digest: Digest): void {
  const location = blobLocation(x.settings.prefix, place, digest)
  sendEmpty(x, 201, ['Location', location, 'Docker-Content-Digest', digest, 'Content-Length', '0'])
}
