import type { IncomingMessage } from 'node:http'
import { algorithmOf, type Digest } from '../../oci/digest.ts'
import { UpstreamError } from '../failure.ts'
import { printable } from '../printable.ts'

/**
 * What a registry calls what it took. It may say so with another algorithm.
 * @throws UpstreamError `odd`
 */
export function compareDigest({ headers }: IncomingMessage, digest: Digest, host: string): void {
  const said = headers['docker-content-digest']?.toString()
  if (said === undefined || said === digest || !said.startsWith(`${algorithmOf(digest)}:`)) return
  throw new UpstreamError('odd', `${host} took ${digest} and calls it ${printable(said.slice(0, 150))}`)
}
