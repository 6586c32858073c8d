/** Who did something, as rows keep it: the name as well as the id, since users come and go. */
import type { Params } from './database.ts'

export type Actor = {
  principalId: string
  principalName: string
  client: string
  requestId: string
  cause: string
  /** Milliseconds since 1970. */
  now: number
}

export function actorParams(actor: Actor): Params {
  return { ...actor }
}

/** Who and when, as each line of the journal tells it. */
export function actorEntry(actor: Actor): { t: number; by: readonly string[] } {
  const { principalId, principalName, client, requestId, cause, now } = actor
  return { t: now, by: [principalId, principalName, client, requestId, cause] }
}

/** The inverse of {@link actorEntry}. Undefined: the line does not say. */
export function actorFromEntry({ t, by }: { t?: unknown; by?: unknown }): Actor | undefined {
  if (!Number.isSafeInteger(t) || !Array.isArray(by) || by.length !== 5) return undefined
  if (!by.every((part) => typeof part === 'string')) return undefined
  const [principalId, principalName, client, requestId, cause] = by as [
    string,
    string,
    string,
    string,
    string,
  ]
  return { principalId, principalName, client, requestId, cause, now: t as number }
}
