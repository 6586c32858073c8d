/** Repository names and tags (distribution-spec, "Pulling manifests"). */
import { type Digest, parseDigest } from './digest.ts'
import { RegistryError } from './error.ts'

export type RepositoryName = string & { readonly __repository: never }
export type Tag = string & { readonly __tag: never }
export type Reference =
  { kind: 'tag'; tag: Tag; digest?: undefined } | { kind: 'digest'; digest: Digest; tag?: undefined }

export const MAX_NAME_LENGTH = 255
const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*'
const NAME = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`)
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/

export function isRepositoryName(text: string): text is RepositoryName {
  return text.length <= MAX_NAME_LENGTH && NAME.test(text)
}

export function isTag(text: string): text is Tag {
  return TAG.test(text)
}

/** @throws RegistryError NAME_INVALID */
export function parseRepositoryName(text: string): RepositoryName {
  if (isRepositoryName(text)) return text
  const why =
    text.length > MAX_NAME_LENGTH
      ? `a repository name has at most ${MAX_NAME_LENGTH} characters`
      : 'a repository name is lower-case letters and digits, joined by ".", "_", "__" or "-", in parts separated by "/"'
  throw new RegistryError('NAME_INVALID', why, { detail: { name: text.slice(0, MAX_NAME_LENGTH + 1) } })
}

/** @throws RegistryError TAG_INVALID */
export function parseTag(text: string): Tag {
  if (isTag(text)) return text
  throw new RegistryError(
    'TAG_INVALID',
    'a tag is 1 to 128 letters, digits, ".", "_" or "-", and does not begin with "." or "-"',
    { detail: { tag: text.slice(0, 200) } },
  )
}

/**
 * What stands after `/manifests/`: with a colon it is meant as a digest, else as a tag.
 * @throws RegistryError DIGEST_INVALID, TAG_INVALID
 */
export function parseReference(text: string): Reference {
  if (text.includes(':')) return { kind: 'digest', digest: parseDigest(text) }
  return { kind: 'tag', tag: parseTag(text) }
}
