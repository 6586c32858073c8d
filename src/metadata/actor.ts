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
