/** Part of the composition: which requests are not the protocol's. */
import type { IncomingMessage } from 'node:http'
import type { Arrived, Endpoint } from './serving/endpoint.ts'
import type { Handler } from './serving/listener.ts'

export type Place = {
  /** From `/`. One that ends in a slash takes all below it. */
  path: string
  endpoint: Endpoint
  /** As metrics and logs call it. */
  kind: string
}

type Options = {
  places: readonly Place[]
  protocol: Handler
  begin: (...asked: Parameters<Handler>) => void
  /** Told of a request that one of the places answers. */
  taken: (request: IncomingMessage, kind: string) => void
  arrived: (request: IncomingMessage) => Arrived
  /** What stands before `/v2/`, without a slash at its end. */
  prefix: string
}

export function createDispatch({ places, protocol, begin, taken, arrived, prefix }: Options): Handler {
  const usual = `${prefix}/v2/`
  return (request, response) => {
    begin(request, response)
    const { url = '' } = request
    const place = url.startsWith(usual) ? undefined : places.find(({ path }) => isAt(url, path))
    if (place === undefined) return protocol(request, response)
    taken(request, place.kind)
    place.endpoint(request, response, arrived(request))
  }
}

function isAt(url: string, path: string): boolean {
  if (!url.startsWith(path)) return false
  return path.endsWith('/') || url.length === path.length || url[path.length] === '?'
}
