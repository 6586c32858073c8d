import type { Actor } from '../metadata/actor.ts'
import type { Call } from './registry.ts'

/** Who did it, as rows keep it. */
export function actorOf(call: Call, now: number): Actor {
  return {
    principalId: call.principal.id,
    principalName: call.principal.name,
    client: call.client,
    requestId: call.requestId,
    cause: call.cause,
    now,
  }
}
