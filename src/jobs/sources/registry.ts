/**
 * Another registry as a source: digests are asked for over HTTP, in the repositories that know them here. Nothing is
 * dialled but the address that was given, where it redirects to, and the token server it names.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { basicHeader, type Credentials } from './credentials.ts'
import { readAnswer, type Source, SourceError, type Wanted } from './source.ts'

type RegistryAddress = {
  /** `https://registry.example.com:5000` */
  origin: string
  /** Stands before a repository's name there: `` or `mirror/hub/`. */
  prefix: string
  credentials: Credentials | undefined
}

const MOST_REDIRECTS = 5
const IDLE_MS = 30_000
const BUSY_TRIES = 3
const LONGEST_WAIT_MS = 10_000
const LARGEST_TOKEN = 64 * 1024

type Asked = {
  response: Response
  /** Called for each piece: the connection is alive. */ alive(): void
  end(): void
}

/** `isHere`: no other host had a part in it. */
type Followed = Asked & { isHere: boolean }

export function createRegistrySource({ origin, prefix, credentials }: RegistryAddress): Source {
  const tokens = new Map<string, string>()
  const name = `${origin}${prefix === '' ? '' : `/${prefix.slice(0, -1)}`}`

  async function ask(repository: string, wanted: Wanted, signal: AbortSignal): Promise<Asked | undefined> {
    const kind = wanted.kind === 'blob' ? 'blobs' : 'manifests'
    const url = new URL(`/v2/${prefix}${repository}/${kind}/${wanted.digest}`, origin)
    const accept = wanted.mediaType === undefined ? '*/*' : `${wanted.mediaType}, */*`
    for (let tries = 0, isRetried = false; ;) {
      const asked = await follow(url, accept, tokens.get(repository), signal)
      const { status, headers } = asked.response
      if (status === 200) return asked
      asked.end()
      // Where a redirect leads to may ask for a password: it is not for there.
      if (status === 401 && !isRetried && asked.isHere) {
        isRetried = true
        tokens.set(repository, await authorize(headers.get('www-authenticate') ?? '', repository, signal))
      } else if ((status === 429 || status === 503) && ++tries < BUSY_TRIES) {
        const seconds = Number(headers.get('retry-after') ?? 1)
        await sleep(Math.min(LONGEST_WAIT_MS, Math.max(0, seconds || 1) * 1000), undefined, { signal })
      } else if (status === 404 || status === 403 || status === 401) return undefined
      else throw new SourceError(`${name} answers ${status}`)
    }
  }

  async function authorize(challenge: string, repository: string, signal: AbortSignal): Promise<string> {
    const [, scheme = ''] = /^\s*(\w+)/.exec(challenge) ?? []
    if (scheme.toLowerCase() === 'basic' && credentials !== undefined) return basicHeader(credentials)
    if (scheme.toLowerCase() !== 'bearer') throw new SourceError(`${name} asks for a password`)
    const field = (key: string): string | undefined => RegExp(`${key}="([^"]*)"`, 'i').exec(challenge)?.[1]
    const realm = URL.parse(field('realm') ?? '', origin)
    if (realm === null || !isSafe(realm))
      throw new SourceError(`${name} names a token server that cannot be asked`)
    realm.searchParams.set('service', field('service') ?? '')
    realm.searchParams.set('scope', `repository:${prefix}${repository}:pull`)
    const basic = credentials === undefined ? undefined : basicHeader(credentials)
    const asked = await follow(realm, 'application/json', basic, signal)
    try {
      if (asked.response.status !== 200)
        throw new SourceError(`the token server of ${name} answers ${asked.response.status}`)
      return `Bearer ${tokenOf(await readAnswer(bodyOf(asked), LARGEST_TOKEN))}`
    } finally {
      asked.end()
    }
  }

  /** A password is never sent in the open where the registry itself is not. */
  function isSafe(url: URL): boolean {
    return url.protocol === 'https:' || (url.protocol === 'http:' && origin.startsWith('http:'))
  }

  async function follow(
    first: URL,
    accept: string,
    authorization: string | undefined,
    signal: AbortSignal,
  ): Promise<Followed> {
    let url = first
    let isHere = true
    for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
      isHere &&= url.origin === first.origin
      const asked = await send(
        url,
        {
          accept,
          'accept-encoding': 'identity',
          ...(isHere && authorization !== undefined && { authorization }),
        },
        signal,
        name,
      )
      const location = asked.response.headers.get('location')
      if (asked.response.status < 300 || asked.response.status > 399 || location === null)
        return { ...asked, isHere }
      asked.end()
      const next = URL.parse(location, url)
      if (next === null || !isSafe(next))
        throw new SourceError(`${name} redirects to where it cannot be followed`)
      url = next
    }
    throw new SourceError(`${name} redirects more than ${MOST_REDIRECTS} times`)
  }

  return {
    name,
    async prepare() {},
    async *copies(wanted, signal) {
      for (const repository of wanted.repositories) {
        const asked = await ask(repository, wanted, signal)
        if (asked === undefined) continue
        try {
          yield bodyOf(asked)
        } finally {
          asked.end()
        }
      }
    },
    async close() {},
  }
}

/** @throws SourceError: no connection, or no answer in time */
async function send(
  url: URL,
  headers: Record<string, string>,
  signal: AbortSignal,
  name: string,
): Promise<Asked> {
  const controller = new AbortController()
  const give = (): void =>
    controller.abort(new SourceError(`${name} does not answer within ${IDLE_MS / 1000} s`))
  const timer = setTimeout(give, IDLE_MS)
  try {
    const response = await fetch(url, {
      headers,
      redirect: 'manual',
      signal: AbortSignal.any([signal, controller.signal]),
    })
    const end = (): void => {
      clearTimeout(timer)
      controller.abort()
    }
    return { response, alive: () => timer.refresh(), end }
  } catch (error) {
    clearTimeout(timer)
    signal.throwIfAborted()
    if (error instanceof SourceError) throw error
    const cause = (error as Error).cause as NodeJS.ErrnoException | undefined
    throw new SourceError(
      `${name} cannot be reached: ${cause?.code ?? cause?.message ?? (error as Error).message}`,
    )
  }
}

async function* bodyOf({ response, alive }: Asked): AsyncGenerator<Uint8Array> {
  for await (const piece of response.body ?? []) {
    alive()
    yield piece
  }
}

function tokenOf(body: Buffer): string {
  try {
    const { token, access_token: access } = JSON.parse(body.toString()) as Record<string, unknown>
    if (typeof token === 'string') return token
    if (typeof access === 'string') return access
  } catch {
    // told below
  }
  throw new SourceError('the token server gave no token')
}
