/** Part of the composition: the record of who did what, and what the protocol tells it of refusals. */
import type { IncomingMessage } from 'node:http'
import type { Audit, AuditAct, AuditEntry } from './auth/audit.ts'
import { type AuditFigures, createAuditFigures, createUnkeptAudit } from './auth/audit-figures.ts'
import type { Config } from './config/schema.ts'
import type { DistributionEvent } from './distribution/exchange.ts'
import type { Route } from './distribution/route.ts'
import type { Clock } from './lib/clock.ts'
import type { Closers } from './lib/closers.ts'
import type { Logger } from './lib/logger.ts'
import type { Db } from './metadata/database.ts'

export type AuditParts = {
  audit: Audit
  /** Whether anything of it is kept. */
  isKept: boolean
  figures: AuditFigures
}

type Options = { config: Config; db: Db; clock: Clock; log: Logger; closers: Closers }

export async function openAudit({ config, db, clock, log, closers }: Options): Promise<AuditParts> {
  const figures = createAuditFigures()
  if (!config.audit.enabled) return { audit: createUnkeptAudit(figures), isKept: false, figures }
  const { createAuditRecorder } = await import('./auth/audit-recorder.ts')
  const recorder = createAuditRecorder({ db, clock, log, figures, isLogged: config.audit.log })
  closers.push(() => recorder.close())
  return { audit: recorder, isKept: true, figures }
}

type Told = (event: DistributionEvent) => void

/**
 * Records who was refused. The first 401 of every client is none, nor is a token that has expired: both are how clients
 * learn what to do. Wrong passwords are recorded where they are looked at.
 */
export function createRefusalRecorder(
  audit: Audit,
  { addressOf, clock }: { addressOf: (request: IncomingMessage) => string; clock: Clock },
): Told {
  return (event) => {
    const { error, request, route, requestId } = event
    if (error === undefined) return
    const refused = refusalOf(event, clock.now())
    if (refused === undefined) return
    audit.record({
      ...refused,
      outcome: 'refused',
      target: targetOf(route),
      detail: { code: error.code, message: error.message },
      address: addressOf(request),
      client: (request.headers['user-agent'] ?? '').slice(0, 256),
      requestId,
    })
  }
}

function refusalOf(
  { error, request, route, principal }: DistributionEvent,
  now: number,
): Pick<AuditEntry, 'act' | 'principal'> | undefined {
  // A full disk is DENIED too, and has a cause.
  if (error?.code === 'DENIED' && error.cause === undefined && principal !== undefined)
    return { act: actOf(request.method, route), principal }
  const isUnknown = error?.code === 'UNAUTHORIZED' && principal === undefined
  const { authorization } = request.headers
  if (!isUnknown || authorization === undefined || !/^bearer /i.test(authorization)) return undefined
  if (isExpired(authorization.slice(7), now)) return undefined
  return { act: 'token', principal: { id: 'unknown', name: '' } }
}

function actOf(method: string | undefined, route: Route | undefined): AuditAct {
  if (method === 'GET' || method === 'HEAD') return 'pull'
  return method === 'DELETE' && route?.kind !== 'cancelUpload' ? 'delete' : 'push'
}

function targetOf(route: Route | undefined): string {
  if (route === undefined || !('repository' in route)) return 'registry'
  const { repository } = route
  if ('reference' in route) {
    const { tag, digest } = route.reference
    return tag === undefined ? `${repository}@${digest}` : `${repository}:${tag}`
  }
  return 'digest' in route ? `${repository}@${route.digest}` : repository
}

/** By what a JSON Web Token says of itself, which is nothing to rely on; here it only keeps noise out. */
function isExpired(token: string, now: number): boolean {
  const payload = token.split('.', 2)[1] ?? ''
  try {
    const { exp } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { exp?: unknown }
    return typeof exp === 'number' && exp * 1000 <= now
  } catch {
    return false
  }
}
