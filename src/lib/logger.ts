/** What the rooms need to write a log line; `serving/` has the formats. */
export type LogLevel = 'error' | 'warn' | 'info' | 'debug'
export type LogFields = Record<string, unknown>

export type Logger = {
  /** Whether lines of this level are written at all: ask before building costly fields. */
  enabled(level: LogLevel): boolean
  error(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  debug(message: string, fields?: LogFields): void
  /** A logger whose lines carry these fields too. */
  with(fields: LogFields): Logger
}

/** For tests and in-process use: says nothing. */
export const silentLogger: Logger = {
  enabled: () => false,
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
  with: () => silentLogger,
}
