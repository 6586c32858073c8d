/** What is left of version 1 of the protocol: the search that docker and podman ask (Docker Registry API V1, "Search"). */
import { RegistryError } from '../oci/error.ts'
import { errorBody } from './error-body.ts'
import type { Exchange } from './exchange.ts'
import type { RouteOf } from './route.ts'
import { sendBytes } from './send.ts'

const DEFAULT_RESULTS = 25
const MAX_RESULTS = 100
/** Calls of the verb for one request; each looks at up to some thousand names. */
const MAX_TIMES = 200

/**
 * Still 404, as for every registry of today: podman takes a 200 for a registry of version 1 where `/v2/` fails. But docker
 * reads this header whatever the status is: without it, it sends an Authorization header over TLS also where nobody
 * signed in, with an empty name and password. (moby registry/search_endpoint_v1.go, search_session.go)
 */
export async function pingForSearch(x: Exchange): Promise<void> {
  const message = 'of version 1 of the protocol this registry has the search only: its API is below /v2/'
  const body = errorBody(new RegistryError('UNSUPPORTED', message, { status: 404 }), x.call.requestId)
  const standalone = ['X-Docker-Registry-Standalone', 'false']
  sendBytes(x, 404, [...jsonHead(body), ...standalone], body)
}

export async function searchRepositories(x: Exchange, route: RouteOf<'searchRepositories'>): Promise<void> {
  const limit = Math.min(Math.max(route.n ?? DEFAULT_RESULTS, 1), MAX_RESULTS)
  const isStranger = x.call.principal.kind === 'anonymous'
  if (isStranger && x.request.headers['docker-distribution-api-version'] !== undefined) throw signIn()
  const names = await search(x, route.text, limit)
  // Who did not sign in sees what everybody may pull; where that is nothing, they may have more elsewhere.
  if (isStranger && names.length === 0) throw signIn()
  const results = names.map((name) => ({
    name,
    description: '',
    star_count: 0,
    is_official: false,
    is_automated: false,
  }))
  const body = Buffer.from(JSON.stringify({ num_results: results.length, query: route.text, results }))
  sendBytes(x, 200, jsonHead(body), body)
}

/** Names are looked at until there are enough of them, or for so long that nobody would wait for more. */
async function search({ settings, call }: Exchange, text: string, limit: number): Promise<string[]> {
  const names: string[] = []
  let after: string | undefined
  for (let times = 0; times < MAX_TIMES && names.length < limit; times += 1) {
    const found = await settings.registry.searchRepositories(call, text, {
      limit: limit - names.length,
      after,
    })
    names.push(...found.names)
    after = found.next
    if (after === undefined || call.signal.aborted) break
  }
  return names
}

/**
 * podman never signs in for this request, and takes what everybody may see for all there is. Refused, it goes on with
 * the catalog, for which it does sign in. It and its kin say in each request that they speak version 2; docker does not.
 * (containers/image docker/docker_client.go, SearchRegistry)
 */
function signIn(): RegistryError {
  return new RegistryError('UNAUTHORIZED', 'sign in to search, or read the catalog: /v2/_catalog')
}

function jsonHead(body: Buffer): string[] {
  return ['Content-Type', 'application/json', 'Content-Length', `${body.byteLength}`]
}
