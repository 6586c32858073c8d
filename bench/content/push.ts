/** Single pushes that are not measured. */
import type { Blob, Manifest } from '../../test/lib/content.ts'
import { BenchFailure } from '../failure.ts'
import type { Exchange } from './exchange.ts'

export async function pushBlob(
  exchange: Exchange,
  repository: string,
  { bytes, digest }: Blob,
): Promise<void> {
  const begun = await exchange.expect(202, 'POST', `/v2/${repository}/blobs/uploads/`)
  const location = begun.headers.location
  if (location === undefined)
    throw new BenchFailure(`an upload to ${repository} was answered without a Location`)
  const { pathname, search } = new URL(location, 'http://127.0.0.1')
  await exchange.expect(201, 'PUT', `${pathname}${search}${search === '' ? '?' : '&'}digest=${digest}`, {
    headers: { 'content-type': 'application/octet-stream' },
    body: bytes,
  })
}

export async function putManifest(
  exchange: Exchange,
  repository: string,
  reference: string,
  manifest: Manifest,
): Promise<void> {
  await exchange.expect(201, 'PUT', `/v2/${repository}/manifests/${reference}`, {
    headers: { 'content-type': manifest.mediaType },
    body: manifest.bytes,
  })
}
