/**
 * Gets small documents from addresses that others chose, without being led where they may not go: into this machine
 * or its network, by a name, by a redirect, or by a name that says something else the second time.
 */
import { lookup, type LookupAddress } from 'node:dns'
import { type ClientRequest, type IncomingMessage, request as overHttp } from 'node:http'
import { request as overTls } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import { createAddressKind } from './address-kind.ts'

/** Why nothing was fetched; its message names the address, and nothing that was sent. */
export class FetchError extends Error {
  override readonly name = 'FetchError'
}

export type GuardedFetch = (url: string) => Promise<Uint8Array>

type Options = {
  /** Addresses of this machine and of private networks count too, and plain HTTP to them. */
  allowPrivate: boolean
  /** Certificate authorities, PEM, instead of those of Node.js. */
  ca?: string | undefined
  /** For all of it: names, redirects, the body. */
  timeoutMs?: number
  maxBytes?: number
  /** For tests. */
  resolve?: (name: string) => Promise<readonly LookupAddress[]>
}

/** On the same host only. */
const MOST_REDIRECTS = 3

/**
 * Answers of status 200 only. Names are resolved here, once: all their addresses must be allowed, and it is one of
 * these that is connected to. No cookies, no credentials, no proxy, no cache.
 */
export function createGuardedFetch({
  allowPrivate,
  ca,
  timeoutMs = 5_000,
  maxBytes = 256 * 1024,
  resolve = resolveAll,
}: Options): GuardedFetch {
  const kindOf = createAddressKind()

  async function addressesOf(url: URL): Promise<LookupAddress[]> {
    const name = url.hostname.replace(/^\[|\]$/g, '')
    const family = isIP(name)
    const found = family === 0 ? await resolve(name) : [{ address: name, family }]
    if (found.length === 0) throw new FetchError(`${url.host} has no address`)
    const kinds = found.map(({ address }) => kindOf(address))
    if (kinds.includes('unusable')) throw new FetchError(`${url.host} leads to an address that nothing is at`)
    if (!allowPrivate && kinds.includes('private'))
      throw new FetchError(`${url.host} leads to an address of this machine or of a private network`)
    if (url.protocol !== 'https:' && kinds.includes('public'))
      throw new FetchError(`${url.host} is on the Internet: it must be https`)
    return [...found]
  }

  async function once(url: URL, signal: AbortSignal): Promise<Uint8Array | URL> {
    const addresses = await addressesOf(url)
    signal.throwIfAborted()
    const response = await responseOf(url, { addresses, ca, signal })
    const { statusCode = 0, headers } = response
    if (statusCode >= 300 && statusCode < 400 && headers.location !== undefined) {
      response.destroy()
      return redirected(url, headers.location)
    }
    if (statusCode !== 200) {
      response.destroy()
      throw new FetchError(`${url.host} answered ${statusCode}`)
    }
    return bodyOf(url, response, maxBytes)
  }

  async function follow(text: string, signal: AbortSignal): Promise<Uint8Array> {
    let url = parsed(text)
    for (let hops = 0; hops <= MOST_REDIRECTS; hops += 1) {
      const found = await once(url, signal)
      if (!(found instanceof URL)) return found
      url = found
    }
    throw new FetchError(`${url.host} redirects again and again`)
  }

  return async (text) => {
    const signal = AbortSignal.timeout(timeoutMs)
    const tooLong = new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(new FetchError(`no answer within ${timeoutMs} ms`)))
    })
    // A name that is never resolved cannot be given up otherwise.
    return Promise.race([follow(text, signal), tooLong])
  }
}

function parsed(text: string): URL {
  if (!URL.canParse(text)) throw new FetchError('it is no URL')
  const url = new URL(text)
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw new FetchError('only https is fetched')
  if (url.username !== '' || url.password !== '') throw new FetchError('a URL with a password is not fetched')
  return url
}

function redirected(from: URL, location: string): URL {
  if (!URL.canParse(location, from.href)) throw new FetchError(`${from.host} redirects to what is no URL`)
  const to = parsed(new URL(location, from).href)
  if (to.host !== from.host || to.protocol !== from.protocol)
    throw new FetchError(`${from.host} redirects to another host, which is not followed`)
  return to
}

async function resolveAll(name: string): Promise<LookupAddress[]> {
  return new Promise((resolve, reject) => {
    lookup(name, { all: true }, (error, addresses) => {
      if (error === null) resolve(addresses)
      else reject(new FetchError(`the address of ${name} cannot be found`, { cause: error }))
    })
  })
}

type Sending = { addresses: LookupAddress[]; ca: string | undefined; signal: AbortSignal }

function responseOf(url: URL, { addresses, ca, signal }: Sending): Promise<IncomingMessage> {
  // What was looked at is what is connected to: the name is not asked for again.
  const found: LookupFunction = (_name, options, answer) => {
    const [first] = addresses
    if (options.all === true || first === undefined) answer(null, addresses)
    else answer(null, first.address, first.family)
  }
  return new Promise((resolve, reject) => {
    const options = {
      agent: false,
      lookup: found,
      signal,
      headers: { Accept: 'application/json', 'Accept-Encoding': 'identity', 'User-Agent': 'berth' },
    }
    const asked: ClientRequest =
      url.protocol === 'https:'
        ? overTls(url, { ...options, ...(ca !== undefined && { ca }) })
        : overHttp(url, options)
    asked.once('response', resolve)
    asked.once('error', (cause) => reject(new FetchError(`${url.host} cannot be reached`, { cause })))
    asked.end()
  })
}

async function bodyOf(url: URL, response: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  const coding = response.headers['content-encoding'] ?? 'identity'
  const chunks: Buffer[] = []
  let size = 0
  try {
    if (coding !== 'identity') throw new FetchError(`${url.host} answers packed (${coding.slice(0, 20)})`)
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.byteLength
      if (size > maxBytes) throw new FetchError(`${url.host} answers with more than ${maxBytes} bytes`)
      chunks.push(chunk)
    }
  } catch (cause) {
    if (cause instanceof FetchError) throw cause
    throw new FetchError(`${url.host} broke off its answer`, { cause })
  } finally {
    response.destroy()
  }
  return Buffer.concat(chunks)
}
