/** What answers requests that are not of the protocol `/v2`. */
import type { IncomingMessage, ServerResponse } from 'node:http'

/** What the server knows of each request before anybody looks at it. */
export type Arrived = {
  requestId: string
  /** Where it comes from, as `192.0.2.1`. */
  address: string
}

export type Endpoint = (request: IncomingMessage, response: ServerResponse, arrived: Arrived) => void
