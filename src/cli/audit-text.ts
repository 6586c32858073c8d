/** What `berth audit` says. Names and targets come from outside: nothing in them may draw on a terminal. */
import type { AuditRow } from '../metadata/audit.ts'
import { numberText } from './quantities.ts'
import { fit } from './table.ts'
import { cellText, isoText, zoneText } from './times.ts'

export function auditHeader(now: number, isWide: boolean): string[] {
  const wide = isWide ? ['ID', 'REQUEST', 'CLIENT', 'DETAIL'] : []
  return [`WHEN (${zoneText(now)})`, 'WHO', 'DID', 'FROM', ...wide, 'TO WHAT']
}

export function auditCells(row: AuditRow, now: number, isWide: boolean): string[] {
  const outcome = row.outcome === 'done' ? '' : ` ${row.outcome}`
  const times = row.times === 1 ? '' : ` ×${numberText(row.times)}`
  const detail = row.detail === undefined ? '' : JSON.stringify(row.detail)
  return [
    cellText(row.at, now),
    fit(row.principalName, isWide ? Infinity : 24) || '-',
    `${didOf(row)}${outcome}${times}`,
    fit(row.address) || '-',
    ...(isWide
      ? [fit(row.principalId), fit(row.requestId) || '-', fit(row.client) || '-', fit(detail) || '-']
      : []),
    fit(row.target),
  ]
}

const KINDS: ReadonlySet<string> = new Set(['user', 'group', 'robot', 'secret', 'rule'])

/** `secret revoke`: of a change, also which, by the command's or the route's verb. */
function didOf({ act, principalId, client, detail }: AuditRow): string {
  if (!KINDS.has(act)) return fit(act)
  const route = typeof detail?.['route'] === 'string' ? /^[a-z]+/.exec(detail['route'])?.[0] : undefined
  const verb = principalId === 'command' ? client.split(' ').at(-1) : route
  return fit(verb === undefined ? act : `${act} ${verb}`)
}

/** What JSON leaves as it is and a terminal acts on. */
const UNFIT_IN_JSON = /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/** One line. */
export function auditJson(row: AuditRow): string {
  const { id, at, act, outcome, principalName: by, principalId: byId, target, detail, ...where } = row
  const entry = { id, at: isoText(at), act, outcome, by, byId, target, ...where, ...(detail && { detail }) }
  return JSON.stringify(entry).replace(
    UNFIT_IN_JSON,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
