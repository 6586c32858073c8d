/** Entity tags: what a digest names never changes, so the digest is the tag (RFC 9110, sections 8.8.3 and 13.1). */
import type { Digest } from '../oci/digest.ts'

export function etagOf(digest: Digest): string {
  return `"${digest}"`
}

/** Whether `If-None-Match` says that the client has it: weak or strong, in a list, `*`; a bare digest counts too. */
export function noneMatch(header: string | undefined, digest: Digest): boolean {
  if (header === undefined) return false
  if (header === '*') return true
  for (const part of header.split(',')) {
    const text = part.trim()
    const tag = text.startsWith('W/') ? text.slice(2) : text
    if (tag === digest || tag === '*' || (tag.length === digest.length + 2 && tag === etagOf(digest)))
      return true
  }
  return false
}

/** Whether `If-Range` lets a range be answered: absent, or this very blob. A date or a weak tag is never enough. */
export function ifRange(header: string | undefined, digest: Digest): boolean {
  return header === undefined || header.trim() === etagOf(digest)
}
