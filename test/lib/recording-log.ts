/** A log that keeps its lines. */
import type { LogFields, Logger } from '../../src/lib/logger.ts'

/** Each line as `level message {"fields":…}`. */
export function recordingLog(): Logger & { lines: string[] } {
  const lines: string[] = []
  const write =
    (level: string) =>
    (message: string, fields: LogFields = {}): void =>
      void lines.push(`${level} ${message} ${JSON.stringify(fields)}`)
  const log = { enabled: () => true, error: write('error'), warn: write('warn'), info: write('info') }
  const all = { ...log, debug: write('debug'), lines, with: (): Logger => all }
  return all
}
