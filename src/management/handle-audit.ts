/** What everybody did. */
import { type AuditRow, listAudit } from '../metadata/audit.ts'
import type { auditRoutes } from './contract-access.ts'
import type { HandlersOf } from './exchange.ts'
import type { SignInPart } from './mode.ts'
import { cursorId, cursorOf, timeOf } from './pages.ts'

export function createAuditHandlers({ db }: Pick<SignInPart, 'db'>): HandlersOf<keyof typeof auditRoutes> {
  return {
    async listAudit({ query }) {
      const { limit, principal, target, act, outcome, since, until } = query
      const filter = {
        principal,
        target,
        outcome,
        acts: act === undefined ? undefined : [act],
        since: since === undefined ? undefined : Date.parse(since),
        until: until === undefined ? undefined : Date.parse(until),
      }
      const { rows, next } = await listAudit(db, filter, { limit, before: cursorId(query) })
      return { items: rows.map(shown), next: next === undefined ? null : cursorOf(next) }
    },
  }
}

function shown(row: AuditRow) {
  return {
    id: row.id,
    at: timeOf(row.at),
    act: row.act,
    outcome: row.outcome,
    principal: { id: row.principalId, name: row.principalName },
    target: row.target,
    detail: (row.detail as Record<string, string> | undefined) ?? null,
    address: row.address,
    client: row.client,
    requestId: row.requestId,
    times: row.times,
  }
}
