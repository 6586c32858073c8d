/** One request and its answer, as the handlers see them. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Gate } from '../auth/authenticate.ts'
import type { Principal } from '../auth/principal.ts'
import type { Logger } from '../lib/logger.ts'
import type { RegistryError } from '../oci/error.ts'
import type { Call, Cause, Registry } from '../registry/registry.ts'
import type { BodyMemory } from './body.ts'
import type { HeadWriter } from './head.ts'
import type { Route } from './route.ts'

type DistributionLimits = {
  /** Bytes of a manifest. */
  manifestBytes: number
  /** Entries of one page of tags that `n` can ask for; 0: no limit but this program's own. */
  tagsMax: number
  /** The same for repositories. */
  catalogMax: number
}

/** What is answered; told once per request, when its answer begins, or when nobody is left to be answered. */
export type DistributionEvent = {
  request: IncomingMessage
  requestId: string
  /** Absent where the request could not be read as one of the protocol. */
  route: Route | undefined
  /** Absent where the request did not get as far. */
  principal: Principal | undefined
  status: number
  contentType?: string | undefined
  /** Bytes of the body, where they are known; of a HEAD, those that a GET would have. */
  contentLength?: number | undefined
  error?: RegistryError
}

export type DistributionOptions = {
  registry: Registry
  gate: Gate
  log: Logger
  limits: DistributionLimits
  /** Extra headers of every answer of the API, as configured. */
  headers: Readonly<Record<string, readonly string[]>>
  /** What stands before `/v2/`: '' or e.g. `/registry`. */
  prefix: string
  /** Whether every request that writes is refused. */
  readOnly: boolean
  requestId: (request: IncomingMessage) => string
  /** Where a request comes from, as `192.0.2.1`: its client, also behind a proxy that is trusted. */
  addressOf: (request: IncomingMessage) => string
  /**
   * Called when it is known who asks, before anything of a body is read. Absent: there are no limits.
   * @throws RegistryError TOOMANYREQUESTS
   */
  limit?: ((request: IncomingMessage, principal: Principal) => void) | undefined
  /** The checks that fail now, each with its message; undefined when all is well. */
  health?: (() => Record<string, string> | undefined) | undefined
  observe?: ((event: DistributionEvent) => void) | undefined
}

/** {@link DistributionOptions}, with what is the same for all answers made once. */
export type Settings = DistributionOptions & {
  /** Puts the headers of every answer of the API before those it is given. */
  writeHead: HeadWriter
  /** Whether the operator's own headers say how long answers may be cached. */
  ownCacheControl: boolean
  /** For what is read whole. */
  bodyMemory: BodyMemory
}

export type Exchange = {
  readonly settings: Settings
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly route: Route
  readonly call: Call
}

const MAX_CLIENT_LENGTH = 256

/** The call of one request. A class, so that what most requests never ask for is made only when it is. */
export class HttpCall implements Call {
  readonly principal: Principal
  readonly requestId: string
  readonly client: string
  readonly cause: Cause
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #settings: Pick<Settings, 'log' | 'addressOf'>
  #signal: AbortSignal | undefined
  #callLog: Logger | undefined

  constructor(
    principal: Principal,
    requestId: string,
    request: IncomingMessage,
    response: ServerResponse,
    settings: Pick<Settings, 'log' | 'addressOf'>,
  ) {
    this.principal = principal
    this.requestId = requestId
    this.cause = request.method === 'DELETE' ? 'api' : 'push'
    this.client = (request.headers['user-agent'] ?? '').slice(0, MAX_CLIENT_LENGTH)
    this.#request = request
    this.#response = response
    this.#settings = settings
  }

  get address(): string {
    return this.#settings.addressOf(this.#request)
  }

  get signal(): AbortSignal {
    this.#signal ??= abortedWhenGone(this.#response)
    return this.#signal
  }

  get log(): Logger {
    this.#callLog ??= this.#settings.log.with({ 'http.request.id': this.requestId })
    return this.#callLog
  }
}

/** A connection that closes before the answer is complete means that nobody waits for it. */
function abortedWhenGone(response: ServerResponse): AbortSignal {
  const controller = new AbortController()
  const onClose = (): void => {
    if (!response.writableFinished) controller.abort()
  }
  if (response.closed) onClose()
  else response.once('close', onClose)
  return controller.signal
}
