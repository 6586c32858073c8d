/** Entries of the record as rows: bounded, and in characters that a database and a line of JSON can hold. */
import type { NewAuditRow } from '../metadata/audit.ts'
import type { AuditEntry } from './audit.ts'

const LONGEST_NAME = 256
const LONGEST_TARGET = 1024
const LONGEST_DETAIL = 1024

/** What stands in a row comes from outside: names of clients, of accounts that nobody has, of repositories. */
export function auditRowOf(entry: AuditEntry, at: number): NewAuditRow {
  return {
    at,
    act: entry.act,
    outcome: entry.outcome,
    principalId: bounded(entry.principal.id, LONGEST_TARGET),
    principalName: bounded(entry.principal.name, LONGEST_NAME),
    target: bounded(entry.target, LONGEST_TARGET),
    detail: entry.detail && detailOf(entry.detail),
    address: bounded(entry.address, LONGEST_NAME),
    client: bounded(entry.client, LONGEST_NAME),
    requestId: bounded(entry.requestId, LONGEST_NAME),
    times: 1,
  }
}

function detailOf(detail: NonNullable<AuditEntry['detail']>): NonNullable<NewAuditRow['detail']> {
  const kept = Object.entries(detail).map(([key, value]) => [
    key,
    typeof value === 'string' ? bounded(value, LONGEST_DETAIL) : value,
  ])
  return Object.fromEntries(kept) as NonNullable<NewAuditRow['detail']>
}

/** Halves of a character, also those that the cut makes, are none; a NUL would end the text for some who read it. */
function bounded(text: string, most: number): string {
  const cut = text.length <= most ? text : `${text.slice(0, most - 1)}…`
  return cut.toWellFormed().replaceAll('\0', '\ufffd')
}
