/** What is shown of secrets that were given out: never the secret, never its hash. */
import { scopeText } from '../auth/scope-text.ts'
import type { ListedSecret } from '../metadata/access/secrets.ts'
import type { StoredScope } from '../metadata/access/scopes.ts'
import { fit } from './table.ts'
import { cellText, isoText } from './times.ts'

export const timeCell = (time: number | undefined, now: number, never: string): string =>
  time === undefined ? never : cellText(time, now)

export const timeJson = (time: number | undefined): string | null =>
  time === undefined ? null : isoText(time)

export const scopesText = (scopes: readonly StoredScope[]): string =>
  scopes.length === 0 ? '-' : scopes.map(scopeText).join(' ')

export const SECRET_HEADER = ['ID', 'BEGINS', 'NAME', 'STATE', 'EXPIRES', 'LAST USED', 'FROM', 'MAY'] as const

export function stateOf({ revokedAt, expiresAt }: ListedSecret, now: number): 'good' | 'revoked' | 'expired' {
  if (revokedAt !== undefined) return 'revoked'
  return expiresAt !== undefined && expiresAt <= now ? 'expired' : 'good'
}

export function secretRow(secret: ListedSecret, now: number): readonly string[] {
  return [
    String(secret.id),
    `${secret.hint}…`,
    secret.name === '' ? '-' : fit(secret.name, 40),
    stateOf(secret, now),
    timeCell(secret.expiresAt, now, 'never'),
    timeCell(secret.lastUsedAt, now, 'never'),
    secret.lastUsedFrom ?? '-',
    secret.scopes === undefined ? 'all its holder may' : scopesText(secret.scopes),
  ]
}

export function secretJson(secret: ListedSecret, now: number): object {
  const { id, hint, name, scopes = null, createdBy, lastUsedFrom = null } = secret
  return {
    id,
    begins: hint,
    name,
    state: stateOf(secret, now),
    scopes,
    createdAt: isoText(secret.createdAt),
    createdBy,
    expiresAt: timeJson(secret.expiresAt),
    revokedAt: timeJson(secret.revokedAt),
    lastUsedAt: timeJson(secret.lastUsedAt),
    lastUsedFrom,
  }
}
