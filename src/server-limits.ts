/** Part of the composition: how much one client may ask for. */
import type { IncomingMessage } from 'node:http'
import { createRateLimits, keyOf, type RateLimits } from './auth/rate-limits.ts'
import type { Principal } from './auth/principal.ts'
import type { TokenEnd } from './auth/tokens/endpoint.ts'
import type { Config } from './config/schema.ts'
import type { DistributionEvent } from './distribution/exchange.ts'
import type { Clock } from './lib/clock.ts'
import { createUploadLimits } from './registry/limited-uploads.ts'
import type { Registry } from './registry/registry.ts'

type AddressOf = (request: IncomingMessage) => string

export type Limits = {
  /** Once it is known who asks. Absent: requests are not limited. @throws RegistryError TOOMANYREQUESTS */
  limit?: (request: IncomingMessage, principal: Principal) => void
  /** Absent: bytes are not limited. */
  told?: (event: DistributionEvent) => void
  /** Of the token service, before it is known who asks. @throws RegistryError TOOMANYREQUESTS */
  limitToken?: (request: IncomingMessage) => void
  tokenTold?: (request: IncomingMessage, end: TokenEnd) => void
  /** Limits uploads, where they are. */
  around(registry: Registry): Registry
  /** How many requests were refused. */
  refused(): number
}

export function openLimits({ ratelimits }: Config, clock: Clock, addressOf: AddressOf): Limits {
  const { requests, burst, bytes, uploads } = ratelimits
  const isOn = requests > 0 || bytes > 0
  const rates = isOn ? createRateLimits({ clock, requests, burst, bytes }) : undefined
  let uploadsRefused = 0
  return {
    ...(rates !== undefined && limitsBy(rates, addressOf)),
    around: (registry) =>
      uploads === 0
        ? registry
        : createUploadLimits(registry, {
            most: uploads,
            clock,
            keyOf: ({ principal, address }) => keyOf(principal, address),
            onRefused: () => (uploadsRefused += 1),
          }),
    refused: () => uploadsRefused + (rates?.figures.refused ?? 0),
  }
}

/** Clients cannot send a body again: requests that bring one count, and others wait for it. */
const HAS_BODY: ReadonlySet<string | undefined> = new Set(['PUT', 'PATCH'])

function limitsBy(
  rates: RateLimits,
  addressOf: AddressOf,
): Required<Pick<Limits, 'limit' | 'told' | 'limitToken' | 'tokenTold'>> {
  return {
    limit(request, principal) {
      const address = addressOf(request)
      if (!HAS_BODY.has(request.method)) rates.check(principal, address)
      rates.count(principal, address)
    },
    /** Counted when an answer begins, as if it were read to its end. */
    told({ request, principal, status, contentLength = 0 }) {
      if (request.method !== 'GET' || (status !== 200 && status !== 206)) return
      rates.pulled(principal, addressOf(request), contentLength)
    },
    /** Who brings credentials may be one of many behind an address, and is told apart at the next door. */
    limitToken(request) {
      if (request.method !== 'GET' || request.headers.authorization !== undefined) return
      rates.check(undefined, addressOf(request))
    },
    tokenTold: (request, { principal }) => rates.count(principal, addressOf(request)),
  }
}
