/** How far a long command is: one line that changes at a terminal, a line now and then elsewhere. */
import type { Io } from './command.ts'

export type Progress = {
  /** Called as often as the work likes; written at most a few times a second. */
  update(text: string): void
  /** Leaves the last line standing, or takes it away where `text` is absent. */
  end(text?: string): void
}

const TERMINAL_EVERY_MS = 200
const LINES_EVERY_MS = 10_000

export function createProgress({ stderr }: Pick<Io, 'stderr'>, now: () => number = Date.now): Progress {
  const isTerminal = (stderr as { isTTY?: boolean }).isTTY === true
  const everyMs = isTerminal ? TERMINAL_EVERY_MS : LINES_EVERY_MS
  let last = isTerminal ? -Infinity : now()
  let isDirty = false
  const clear = (): void => {
    if (isDirty) stderr.write('\r\x1b[K')
    isDirty = false
  }
  return {
    update(text) {
      if (now() - last < everyMs) return
      last = now()
      clear()
      stderr.write(isTerminal ? text : `${text}\n`)
      isDirty = isTerminal
    },
    end(text) {
      clear()
      if (text !== undefined) stderr.write(`${text}\n`)
    },
  }
}
