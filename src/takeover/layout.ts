/**
 * Where CNCF Distribution keeps what, below the data folder, with slashes: pure, for reading and for writing. The same
 * since 2.0 (registry/storage/paths.go there).
 */
import { algorithmOf, type Digest, isDigest } from '../oci/digest.ts'
import type { RepositoryName, Tag } from '../oci/reference.ts'
import { DISTRIBUTION_ROOT } from './found.ts'

export const BLOBS_PATH = `${DISTRIBUTION_ROOT}/blobs`
export const REPOSITORIES_PATH = `${DISTRIBUTION_ROOT}/repositories`

/** Folders of a repository. A component of a name never begins with "_". */
export const MANIFESTS = '_manifests'
export const LAYERS = '_layers'
export const UPLOADS = '_uploads'
export const LINK = 'link'

/** Bytes of a link at most: `sha512:` and 128 digits are 135. Blanks around it are what people's tools write. */
export const LONGEST_LINK = 160

const TEMPORARY = /\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp$/

/** `<algorithm>/<hex>`, as below `_layers`, `revisions` and `index`. */
export function digestPath(digest: Digest): string {
  return digest.replace(':', '/')
}

/** The bytes of a blob or manifest. Distribution itself only ever writes sha256 there. */
export function blobPath(digest: Digest): string {
  const hex = digest.slice(7)
  return `${BLOBS_PATH}/${algorithmOf(digest)}/${hex.slice(0, 2)}/${hex}/data`
}

/** The folder of a repository; nested names are nested folders. */
export function repositoryPath(name: RepositoryName): string {
  return `${REPOSITORIES_PATH}/${name}`
}

/** That a blob is in a repository. */
export function layerLinkPath(name: RepositoryName, digest: Digest): string {
  return `${repositoryPath(name)}/${LAYERS}/${digestPath(digest)}/${LINK}`
}

/** That a manifest is in a repository. */
export function revisionLinkPath(name: RepositoryName, digest: Digest): string {
  return `${repositoryPath(name)}/${MANIFESTS}/revisions/${digestPath(digest)}/${LINK}`
}

/** The folder of a tag. */
export function tagPath(name: RepositoryName, tag: Tag): string {
  return `${repositoryPath(name)}/${MANIFESTS}/tags/${tag}`
}

/** What the tag points to. */
export function currentLinkPath(name: RepositoryName, tag: Tag): string {
  return `${tagPath(name, tag)}/current/${LINK}`
}

/** That a tag pointed, or points, to a digest. Written before {@link currentLinkPath}. */
export function indexLinkPath(name: RepositoryName, tag: Tag, digest: Digest): string {
  return `${tagPath(name, tag)}/index/${digestPath(digest)}/${LINK}`
}

/** What a link file holds: no newline at its end, or Distribution refuses it. */
export function linkText(digest: Digest): string {
  return digest
}

/** The inverse of {@link linkText}; blanks around the digest are overlooked. Undefined: no digest of ours. */
export function parseLinkText(text: string): Digest | undefined {
  if (isDigest(text)) return text
  const trimmed = text.trim()
  return isDigest(trimmed) ? trimmed : undefined
}

/** What a write of Distribution that was cut off leaves beside its target: `<target>.<uuid>.tmp`. */
export function isTemporaryName(name: string): boolean {
  return TEMPORARY.test(name)
}
