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

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const

/** `1536` → `1.5 KiB`. */
export function bytesText(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`
}

/** `5400` → `1 h 30 min`. */
export function durationText(seconds: number): string {
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
}
