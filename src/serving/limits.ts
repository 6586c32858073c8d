/** What a client may cost. */
export type ListenerLimits = {
  /** Time for the headers of a request, and for a TLS handshake. */
  headersMs: number
  /** How long an idle connection is kept. */
  keepAliveMs: number
  /** Silence of the client in the middle of a body or an answer after which the connection is given up. */
  progressMs: number
  /** Request line and headers together. */
  maxHeaderBytes: number
  maxHeaders: number
  maxUrlBytes: number
  /** Connections beyond this many are answered 503. */
  maxConnections: number
  /** After an early answer: what is still read from the client, and for how long. */
  lingerBytes: number
  lingerMs: number
}

export const defaultLimits: ListenerLimits = {
  headersMs: 30_000,
  keepAliveMs: 75_000,
  progressMs: 60_000,
  maxHeaderBytes: 64 * 1024,
  maxHeaders: 256,
  maxUrlBytes: 16 * 1024,
  maxConnections: 20_000,
  lingerBytes: 256 * 1024,
  lingerMs: 1_000,
}
