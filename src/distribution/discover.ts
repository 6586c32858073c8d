/** What this registry is and what it offers. */
import type { Exchange } from './exchange.ts'
import type { RouteOf } from './route.ts'
import { sendBytes, sendEmpty } from './send.ts'

const EMPTY_OBJECT = Buffer.from('{}')
const SPECIFICATION = 'https://github.com/opencontainers/distribution-spec/blob/main/extensions/_oci.md'

/** end-1. @throws UNAUTHORIZED before it gets here, wherever signing in is needed for anything. */
export function ping(x: Exchange): void {
  sendBytes(x, 200, ['Content-Type', 'application/json', 'Content-Length', '2'], EMPTY_OBJECT)
}

/** Docker Registry HTTP API V2 wants the slash; CNCF Distribution redirects to it, too. */
export async function redirect(x: Exchange): Promise<void> {
  sendEmpty(x, 301, ['Location', `${x.settings.prefix}/v2/`, 'Content-Length', '0'])
}

/** Which methods an endpoint has: browsers ask before a request to another origin. */
export async function options(x: Exchange, route: RouteOf<'options'>): Promise<void> {
  sendEmpty(x, 204, ['Allow', `${route.allow}, OPTIONS`])
}

/** distribution-spec, extensions/_oci.md */
export async function discover(x: Exchange): Promise<void> {
  const extension = {
    name: '_oci',
    url: SPECIFICATION,
    description: 'Lists the extensions of this registry',
    endpoints: [`${x.settings.prefix}/v2/_oci/ext/discover`],
  }
  const body = Buffer.from(JSON.stringify({ extensions: [extension] }))
  sendBytes(x, 200, ['Content-Type', 'application/json', 'Content-Length', `${body.byteLength}`], body)
}

/** Probes of load balancers look at `/`; it is no part of the API and carries none of its headers. */
export async function root(x: Exchange, route: RouteOf<'root'>): Promise<void> {
  const { requestId, principal } = x.call
  x.settings.observe?.({ request: x.request, requestId, route, principal, status: 200 })
  x.response.writeHead(200, ['Cache-Control', 'no-cache', 'Content-Length', '0'])
  x.response.end()
}
