/** What the record of changes is told of a request. */
import type { Audit } from '../auth/audit.ts'
import type { Principal } from '../auth/principal.ts'
import type { AnyRoute, InputOf } from './contract-route.ts'
import type { Caller } from './exchange.ts'

export type Input = InputOf<never, never, undefined>
export type Detail = Record<string, string | number | boolean | null>

type Done = {
  name: string
  /** Absent: it was refused before it was read. */
  input: Input | undefined
  caller: Caller
  by: Principal
  detail: Detail
  path?: string
}

const MAX_TARGET = 300

export function createRecorder(
  audit: Audit | undefined,
): (outcome: 'done' | 'refused' | 'failed', route: AnyRoute, done: Done) => void {
  return (outcome, { recorded, method }, { name, input, caller, by, detail, path = '' }) => {
    if (recorded === undefined || audit === undefined) return
    if (outcome !== 'done' && recorded.refusals === 'elsewhere') return
    // Who did not sign in is no news, and anybody could fill the record with it.
    if (outcome !== 'done' && caller.account === undefined) return
    const { address, client, requestId } = caller
    audit.record({
      act: recorded.act,
      outcome,
      principal: { id: by.id, name: by.name },
      target:
        input === undefined ? `${method} ${path}`.slice(0, MAX_TARGET) : recorded.target(input as never),
      detail: { route: name, ...detail },
      address,
      client,
      requestId,
    })
  }
}
