/** Addresses in answers: always relative to the host, so that no proxy in front of the registry can falsify them. */
import type { Digest } from '../oci/digest.ts'
import type { InRepository } from './route.ts'

export function blobLocation(prefix: string, { asked }: InRepository, digest: Digest): string {
  return `${prefix}/v2/${asked}/blobs/${digest}`
}

export function manifestLocation(prefix: string, { asked }: InRepository, digest: Digest): string {
  return `${prefix}/v2/${asked}/manifests/${digest}`
}

export function uploadLocation(prefix: string, { asked }: InRepository, id: string): string {
  return `${prefix}/v2/${asked}/blobs/uploads/${id}`
}

/**
 * `Link` to the next page of a list (RFC 8288).
 * @param path what follows `/v2/`
 */
export function nextLink(
  prefix: string,
  path: string,
  page: { n: number; last: string; artifactType?: string | undefined },
): string {
  const filter =
    page.artifactType === undefined ? '' : `&artifactType=${encodeURIComponent(page.artifactType)}`
  return `<${prefix}/v2/${path}?last=${encodeURIComponent(page.last)}&n=${page.n}${filter}>; rel="next"`
}
