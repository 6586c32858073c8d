/** What everybody did, for the record. */
import type { Principal } from './principal.ts'

export type AuditAct =
  | 'sign-in'
  | 'token'
  | 'pull'
  | 'push'
  | 'delete'
  | 'restore'
  | 'user'
  | 'group'
  | 'robot'
  | 'secret'
  | 'rule'
  | 'settings'
  /** Garbage was collected by hand. */
  | 'collect'
  /** Of the record itself: what is missing in it. */
  | 'audit'

export const AUDIT_ACTS = [
  'sign-in',
  'token',
  'pull',
  'push',
  'delete',
  'restore',
  'user',
  'group',
  'robot',
  'secret',
  'rule',
  'settings',
  'collect',
  'audit',
] as const satisfies readonly AuditAct[]

export type AuditEntry = {
  act: AuditAct
  /** `refused`: it was not allowed, or the credentials were wrong. `failed`: it was allowed and did not succeed. */
  outcome: 'done' | 'refused' | 'failed'
  /** Of wrong credentials: the name that was given, and an id that says so. */
  principal: Pick<Principal, 'id' | 'name'>
  /** `team/app:1`, `team/app@sha256:…`, `user:alice`, `team/**`. */
  target: string
  /** What else there is to know; never a secret. */
  detail?: Readonly<Record<string, string | number | boolean | null>>
  address: string
  client: string
  requestId: string
}

export type Audit = {
  /** Never throws and never waits: it is written a moment later. */
  record(entry: AuditEntry): void
}
