/** What the API is built with, and what its parts share. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Context } from 'hono'
import type { Principal } from '../auth/principal.ts'
import type { Logger } from '../lib/logger.ts'
import type { Arrived } from '../serving/endpoint.ts'
import type { AccessPart, Mode, SignInPart } from './mode.ts'
import type { Problem } from './problem.ts'

/** What is said of an answer to whoever writes logs. */
export type Told = {
  readonly request: IncomingMessage
  readonly status: number
  readonly principal: Principal | undefined
  readonly problem?: Problem
}

export type ApiOptions = {
  /** What stands before `/api/`: '' or e.g. `/registry`. */
  readonly prefix: string
  readonly version: string
  readonly mode: Mode
  /** `http.host` */
  readonly publicUrl: string | undefined
  readonly log: Logger
  /** Modes `accounts` and `access`. */
  readonly signIn?: SignInPart | undefined
  /** Mode `access`. */
  readonly own?: AccessPart | undefined
  /** Once it is known who asks. @throws RegistryError TOOMANYREQUESTS */
  readonly limit?: ((request: IncomingMessage, principal: Principal) => void) | undefined
  /** Told of each answer once. */
  readonly observe?: ((told: Told) => void) | undefined
}

export type Bindings = {
  Bindings: { incoming: IncomingMessage; outgoing: ServerResponse; arrived: Arrived }
  Variables: { principal: Principal | undefined }
}
export type ApiContext = Context<Bindings>

/** Of every answer: data for programs, never a page, and for nobody else's pages. */
export const HEADERS: Readonly<Record<string, string>> = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
}
