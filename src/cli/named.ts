/** What a person types to name something in a registry: a repository, a tag or a manifest in it. */
import { type Digest, isDigest } from '../oci/digest.ts'
import { isRepositoryName, isTag, type RepositoryName, type Tag } from '../oci/reference.ts'

export type Named = { repository: RepositoryName; tag?: Tag; digest?: Digest }

/** @returns a text where it cannot be understood: what is wrong with it */
export function readNamed(text: string): Named | string {
  const at = text.indexOf('@')
  const colon = text.lastIndexOf(':')
  const isTagged = at < 0 && colon > text.lastIndexOf('/')
  const name = at >= 0 ? text.slice(0, at) : isTagged ? text.slice(0, colon) : text
  if (!isRepositoryName(name)) {
    const host = /^[^/]*[.:][^/]*\//.test(name) ? ', without the registry’s address before it' : ''
    return `${JSON.stringify(name)} is no name of a repository (like team/app${host})`
  }
  if (at >= 0) {
    const digest = text.slice(at + 1)
    if (!isDigest(digest))
      return `${JSON.stringify(digest)} is no digest: "sha256:" and 64 hexadecimal digits`
    return { repository: name, digest }
  }
  if (!isTagged) return { repository: name }
  const tag = text.slice(colon + 1)
  return isTag(tag) ? { repository: name, tag } : `${JSON.stringify(tag)} is no tag`
}

/** Of an argument that may be left out: the name of a repository, and nothing in it. */
export function readRepository(
  text: string | undefined,
): { name: RepositoryName | undefined } | { wrong: string } {
  if (text === undefined) return { name: undefined }
  const named = readNamed(text)
  if (typeof named === 'string') return { wrong: named }
  if (named.tag !== undefined || named.digest !== undefined)
    return { wrong: `${JSON.stringify(text)} is more than a repository: say ${named.repository}` }
  return { name: named.repository }
}
