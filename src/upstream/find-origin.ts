/** Whether a registry is asked with TLS or without: tried, as no name says it. */
import type { IncomingMessage } from 'node:http'
import { dialledHost, isLoopback } from './address.ts'
import type { Exchange } from './exchange.ts'
import { UpstreamError } from './failure.ts'

export type Transport = 'tls' | 'plain' | 'tls-or-plain'

export type Found = { origin: URL; ping: IncomingMessage }

/** With TLS; this machine itself also without, where TLS is not spoken. */
export function usualTransport(host: string): Transport {
  return isLoopback(host) ? 'tls-or-plain' : 'tls'
}

/**
 * Asks for `/v2/`. The answer is any that came; its body must be read or destroyed.
 * @throws UpstreamError
 */
export async function findOrigin(
  host: string,
  transport: Transport,
  exchange: Exchange,
  signal?: AbortSignal,
): Promise<Found> {
  const ask = async (scheme: string): Promise<Found> => {
    const origin = URL.parse(`${scheme}://${dialledHost(host)}`)
    if (origin === null) throw new UpstreamError('unreachable', `${host} is no address of a registry`)
    return {
      origin,
      ping: await exchange.send({ method: 'GET', url: new URL('/v2/', origin), headers: {}, signal }),
    }
  }
  if (transport === 'plain') return ask('http')
  try {
    return await ask('https')
  } catch (error) {
    const mayBePlain =
      error instanceof UpstreamError &&
      (error.kind === 'plain' || error.kind === 'lost' || error.kind === 'odd')
    if (transport === 'tls' || !mayBePlain) throw error
    return ask('http')
  }
}
