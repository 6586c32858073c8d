/** Where an image goes: `HOST[:PORT]/NAME[:TAG][@DIGEST]`, as `docker push` and others write it. */
import { type Digest, parseDigest } from '../oci/digest.ts'
import { parseRepositoryName, parseTag, type RepositoryName, type Tag } from '../oci/reference.ts'

export type ImageAddress = {
  /** As it is written, with its port: `localhost:5000`. */
  host: string
  repository: RepositoryName
  /** Absent where only a digest stands. */
  tag?: Tag
  digest?: Digest
}

/** What is wrong with an address. */
export class AddressError extends Error {
  override readonly name = 'AddressError'
}

const HOST = /^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i
/** Docker Hub's names. */
export const HUB: ReadonlySet<string> = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io'])

export function isHost(text: string): boolean {
  if (!HOST.test(text)) return false
  const port = /:(\d+)$/.exec(text)?.[1]
  return text.endsWith(']') || port === undefined || (Number(port) >= 1 && Number(port) <= 65_535)
}

/**
 * The first part is a host where it has a dot or a colon, or is `localhost`. Docker Hub is never meant by leaving it out.
 * @throws AddressError; RegistryError NAME_INVALID, TAG_INVALID, DIGEST_INVALID
 */
export function parseAddress(text: string): ImageAddress {
  if (/^[a-z]+:\/\//i.test(text))
    throw new AddressError(
      `${text} has a scheme: write it as HOST/NAME:TAG, without "${text.split('/')[0]}//"`,
    )
  const slash = text.indexOf('/')
  const host = slash < 0 ? '' : text.slice(0, slash)
  const isNamed = /[.:]/.test(host) || host === 'localhost'
  if (!isNamed || !isHost(host))
    throw new AddressError(
      `${text} does not begin with a registry: write HOST/NAME:TAG, as localhost:5000/team/app:1`,
    )
  const [named = '', digest, ...more] = text.slice(slash + 1).split('@')
  if (more.length > 0) throw new AddressError(`${text} has more than one "@"`)
  const colon = named.indexOf(':')
  const name = colon < 0 ? named : named.slice(0, colon)
  const tag = colon < 0 ? (digest === undefined ? 'latest' : undefined) : named.slice(colon + 1)
  return {
    host,
    repository: parseRepositoryName(HUB.has(host) && !name.includes('/') ? `library/${name}` : name),
    ...(tag !== undefined && { tag: parseTag(tag) }),
    ...(digest !== undefined && { digest: parseDigest(digest) }),
  }
}

export function addressText({ host, repository, tag }: ImageAddress, digest: Digest): string {
  return `${host}/${repository}${tag === undefined ? '' : `:${tag}`}@${digest}`
}

/** The host that is dialled: Docker Hub's registry has another name than its images. */
export function dialledHost(host: string): string {
  return HUB.has(host) ? 'registry-1.docker.io' : host
}

/** This machine itself: a registry there may be asked without TLS. */
export function isLoopback(host: string): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i.test(host)
}
