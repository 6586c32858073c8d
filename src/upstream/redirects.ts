/** Where a registry leads to, and that no password goes along. */
import type { IncomingMessage } from 'node:http'
import type { Exchange, Outgoing } from './exchange.ts'
import { UpstreamError } from './failure.ts'

const MOST_REDIRECTS = 5
const REDIRECTS: ReadonlySet<number | undefined> = new Set([301, 302, 303, 307, 308])

/** `isHere`: no other host had a part in it. */
export type Followed = { answer: IncomingMessage; isHere: boolean }

/** @throws UpstreamError, an AbortError */
export type Follow = (outgoing: Outgoing, authorization: string | undefined) => Promise<Followed>

/** Sends a request, again where it is led to, with its method and body. */
export function createFollow({
  host,
  origin,
  exchange,
}: {
  host: string
  origin: URL
  exchange: Exchange
}): Follow {
  return async ({ url: first, ...asked }, authorization) => {
    let url = first
    let isHere = true
    for (let hops = 0; hops <= MOST_REDIRECTS; hops++) {
      // Who has led elsewhere does not say either what is to be done here.
      isHere &&= url.origin === origin.origin
      const answer = await exchange.send({
        ...asked,
        url,
        headers: {
          ...asked.headers,
          ...(authorization !== undefined && isHere && { authorization }),
        },
      })
      if (!REDIRECTS.has(answer.statusCode) || answer.headers.location === undefined)
        return { answer, isHere }
      answer.destroy()
      url = locate(host, answer.headers.location, url)
    }
    throw new UpstreamError('odd', `${host} redirects again and again`)
  }
}

/**
 * `Location` of an answer.
 * @param asked the URL that was answered
 * @throws UpstreamError `odd`: it leads to where it may not
 */
export function locate(host: string, location: string | undefined, asked: URL): URL {
  const url = location === undefined ? null : URL.parse(location, asked)
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new UpstreamError('odd', `${host} does not say where to go on`)
  if (url.protocol === 'https:' || asked.protocol === 'http:') return url
  // A proxy that ends TLS and does not tell the registry of it (X-Forwarded-Proto).
  if (url.hostname !== asked.hostname)
    throw new UpstreamError('odd', `${host} leads on to ${url.host} without TLS, which is not followed`)
  return new URL(`${url.pathname}${url.search}`, asked)
}
