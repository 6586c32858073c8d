/** A request asks for the rules at the gate, and again behind it: within a turn they cannot have changed. */
import type { Access, AccessNow } from './access.ts'

/**
 * Asks once for all that is asked without waiting in between, as the cache of rows looks at the database once: whoever
 * asks was there before.
 */
export function keptForTurn(access: Access): Access {
  let kept: AccessNow | undefined
  const forget = (): void => {
    kept = undefined
  }
  return {
    current() {
      if (kept !== undefined) return kept
      const now = access.current()
      if (now instanceof Promise) return now
      kept = now
      queueMicrotask(forget)
      return now
    },
  }
}
