/** `/api/`: nothing of it is loaded before the first request to it. */
import type { Endpoint } from '../serving/endpoint.ts'
import type { ApiOptions } from './options.ts'

export type ManagementOptions = ApiOptions

/** Answers every request below `<prefix>/api/`, whatever it asks for. */
export function createManagementEndpoint(options: ManagementOptions): Endpoint {
  let loaded: Promise<Endpoint> | undefined
  const load = async (): Promise<Endpoint> => (await import('./api.ts')).createApi(options)
  return (request, response, arrived) => {
    loaded ??= load()
    loaded.then(
      (endpoint) => endpoint(request, response, arrived),
      (error: unknown) => {
        loaded = undefined
        options.log.error('the management API could not be loaded', { error })
        response.writeHead(500, { 'Content-Type': 'application/problem+json', 'Content-Length': 2 })
        response.end('{}')
      },
    )
  }
}
