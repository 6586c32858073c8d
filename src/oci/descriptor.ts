/** Descriptors and the media types this registry knows by name. */
import type { Digest } from './digest.ts'

export type Descriptor = {
  mediaType: string
  digest: Digest
  /** Bytes. */
  size: number
  artifactType?: string
  annotations?: Record<string, string>
}

export const MEDIA_TYPE = {
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  /** oras before 1.0 and the 1.1 release candidates pushed these; blobs instead of layers. */
  ociArtifact: 'application/vnd.oci.artifact.manifest.v1+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerSchema1: 'application/vnd.docker.distribution.manifest.v1+json',
  dockerSchema1Signed: 'application/vnd.docker.distribution.manifest.v1+prettyjws',
  emptyJson: 'application/vnd.oci.empty.v1+json',
} as const

const NON_DISTRIBUTABLE = new Set([
  'application/vnd.oci.image.layer.nondistributable.v1.tar',
  'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
  'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd',
  'application/vnd.docker.image.rootfs.foreign.diff.tar',
  'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
])

/** Layers that may be named without being in the registry (image-spec, layer.md, "Non-Distributable Layers"). */
export function isNonDistributable(mediaType: string): boolean {
  return NON_DISTRIBUTABLE.has(withoutParameters(mediaType))
}

/** `text/plain; charset=utf-8` → `text/plain`, in lower case. */
export function withoutParameters(mediaType: string): string {
  const end = mediaType.indexOf(';')
  return (end < 0 ? mediaType : mediaType.slice(0, end)).trim().toLowerCase()
}
