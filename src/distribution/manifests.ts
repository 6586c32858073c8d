/** Manifests: pull, push, delete (end-3, end-7, end-9). */
import { type Waiting, whenKnown } from '../lib/waiting.ts'
import { type Digest } from '../oci/digest.ts'
import { RegistryError } from '../oci/error.ts'
import { readSmallBody } from './body.ts'
import { etagOf, noneMatch } from './etag.ts'
import { type Exchange, HttpCall } from './exchange.ts'
import { manifestLocation } from './location.ts'
import type { RouteOf } from './route.ts'
import { sendBytes, sendEmpty } from './send.ts'

/**
 * The stored type whatever `Accept` says. Content-Type is exactly that, without parameters: clients compare it byte
 * for byte.
 */
export function getManifest(x: Exchange, route: RouteOf<'getManifest'>): Waiting<void> {
  const found = x.settings.registry.getManifest(x.call, route.repository, route.reference)
  return whenKnown(found, ({ digest, mediaType, bytes }) => {
    if (noneMatch(x.request.headers['if-none-match'], digest)) return notModified(x, digest)
    sendBytes(x, 200, manifestHeaders(x, digest, mediaType, bytes.byteLength), bytes)
  })
}

export function statManifest(x: Exchange, route: RouteOf<'statManifest'>): Waiting<void> {
  const found = x.settings.registry.statManifest(x.call, route.repository, route.reference)
  return whenKnown(found, ({ digest, mediaType, size }) => {
    if (noneMatch(x.request.headers['if-none-match'], digest)) return notModified(x, digest)
    sendEmpty(x, 200, manifestHeaders(x, digest, mediaType, size))
  })
}

function notModified(x: Exchange, digest: Digest): void {
  sendEmpty(x, 304, ['Docker-Content-Digest', digest, 'ETag', etagOf(digest)])
}

function manifestHeaders(x: Exchange, digest: Digest, mediaType: string, size: number): string[] {
  const headers = [
    'Content-Type',
    mediaType,
    'Content-Length',
    `${size}`,
    'Docker-Content-Digest',
    digest,
    'ETag',
    etagOf(digest),
  ]
  return x.request.headers['sec-fetch-dest'] === 'document' ? asAttachment(headers) : headers
}

/** A browser that is sent to pushed content saves it; it never shows it as a page of this origin. */
export function asAttachment(headers: string[]): string[] {
  headers.push('Content-Disposition', 'attachment')
  return headers
}

/** A body that takes longer may have outlived what its sender was let in with. */
const LOOK_AGAIN_MS = 1000

export async function putManifest(x: Exchange, route: RouteOf<'putManifest'>): Promise<void> {
  const { limits, bodyMemory } = x.settings
  const max = limits.manifestBytes
  const memory = bodyMemory.lease()
  const began = performance.now()
  try {
    const bytes = await readSmallBody(x.request, max, () => tooLarge(max), memory.take)
    const isSlow = performance.now() - began > LOOK_AGAIN_MS
    await storeManifest(isSlow ? await lookedAtAgain(x) : x, route, bytes)
  } finally {
    memory.release()
  }
}

/**
 * Whoever sends a body byte by byte would otherwise have in hand for weeks what was taken from them meanwhile; the rules
 * are asked behind this anyway.
 */
async function lookedAtAgain(x: Exchange): Promise<Exchange> {
  const { settings, request, response } = x
  const principal = await settings.gate.authenticate(request)
  return { ...x, call: new HttpCall(principal, x.call.requestId, request, response, settings) }
}

async function storeManifest(x: Exchange, route: RouteOf<'putManifest'>, bytes: Uint8Array): Promise<void> {
  const { registry, prefix } = x.settings
  const byDigest = route.reference.digest
  const { digest, subject } = await registry.putManifest(x.call, route.repository, {
    mediaType: declaredType(x.request.headers['content-type']),
    bytes,
    tags: route.tags,
    ...(byDigest === undefined ? {} : { digest: byDigest }),
  })
  const headers = ['Location', manifestLocation(prefix, route, digest), 'Docker-Content-Digest', digest]
  if (byDigest !== undefined) for (const tag of route.tags) headers.push('OCI-Tag', tag)
  if (subject !== undefined) headers.push('OCI-Subject', subject)
  headers.push('Content-Length', '0')
  sendEmpty(x, 201, headers)
}

function tooLarge(limit: number): RegistryError {
  return new RegistryError('MANIFEST_INVALID', `a manifest has at most ${limit} bytes here`, { status: 413 })
}

/** distribution-spec, "Pushing Manifests": parameters of the type are ignored. */
function declaredType(header: string | undefined): string | undefined {
  if (header === undefined) return undefined
  const end = header.indexOf(';')
  const type = (end < 0 ? header : header.slice(0, end)).trim()
  return type === '' ? undefined : type
}

export async function deleteManifest(x: Exchange, route: RouteOf<'deleteManifest'>): Promise<void> {
  const { registry } = x.settings
  const { reference, repository } = route
  if (reference.kind === 'tag') await registry.deleteTag(x.call, repository, reference.tag)
  else await registry.deleteManifest(x.call, repository, reference.digest)
  sendEmpty(x, 202, ['Content-Length', '0'])
}
