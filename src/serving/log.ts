/** Log lines in the formats of CNCF Distribution (logrus): text, json, logstash. */
import type { Clock } from '../lib/clock.ts'
import { systemClock } from '../lib/clock.ts'
import type { LogFields, Logger, LogLevel } from '../lib/logger.ts'
import { causesOf, jsonLine, jsonValue, quoted, textValue } from './log-text.ts'

export type LogFormatter = 'text' | 'json' | 'logstash'
type Line = { time: string; sinceStart: number; level: LogLevel; message: string; fields: LogFields }

const SEVERITY: Readonly<Record<LogLevel, number>> = { error: 0, warn: 1, info: 2, debug: 3 }
/** logrus' words. */
const WORD: Readonly<Record<LogLevel, string>> = {
  error: 'error',
  warn: 'warning',
  info: 'info',
  debug: 'debug',
}
const COLOUR: Readonly<Record<LogLevel, number>> = { error: 31, warn: 33, info: 36, debug: 37 }

/**
 * @param write takes one whole line, newline included.
 * @param fields on every line (`log.fields` of the configuration).
 * @param terminal whether lines are read by a person at a terminal: logrus' short coloured form, for `text` only.
 */
export function createLogger({
  level,
  formatter,
  fields = {},
  write,
  terminal = false,
  clock = systemClock,
}: {
  level: LogLevel
  formatter: LogFormatter
  fields?: LogFields
  write: (line: string) => void
  terminal?: boolean
  clock?: Clock
}): Logger {
  const started = clock.now()
  const format = formatter === 'text' && terminal ? terminalLine : FORMATS[formatter]
  const threshold = SEVERITY[level]
  const build = (base: LogFields): Logger => {
    const log = (at: LogLevel, message: string, extra: LogFields | undefined): void => {
      if (SEVERITY[at] > threshold) return
      const now = clock.now()
      const time = new Date(now).toISOString()
      const merged = withErrors(extra === undefined ? base : { ...base, ...extra }, at, threshold)
      write(`${format({ time, sinceStart: now - started, level: at, message, fields: merged })}\n`)
    }
    return {
      enabled: (at) => SEVERITY[at] <= threshold,
      error: (message, extra) => log('error', message, extra),
      warn: (message, extra) => log('warn', message, extra),
      info: (message, extra) => log('info', message, extra),
      debug: (message, extra) => log('debug', message, extra),
      with: (more) => build({ ...base, ...more }),
    }
  }
  return build(fields)
}

/** An error is its message; in error lines and where debugging is on, its causes and stack too. */
function withErrors(fields: LogFields, level: LogLevel, threshold: number): LogFields {
  let copy: LogFields | undefined
  for (const [key, value] of Object.entries(fields)) {
    if (!(value instanceof Error) || (level !== 'error' && threshold < SEVERITY.debug)) continue
    copy ??= { ...fields }
    const cause = causesOf(value)
    if (cause !== '') copy[`${key}.cause`] = cause
    if (value.stack !== undefined) copy[`${key}.stack`] = value.stack
  }
  return copy ?? fields
}

/** Keys come from this program and from `log.fields`; they are made harmless all the same. */
function safeKey(key: string): string {
  return /^[\w.@-]+$/.test(key) ? key : key.replace(/[^\w.@-]/g, '_') || '_'
}

function sorted(fields: LogFields): [string, unknown][] {
  const keys = Object.keys(fields).filter((key) => fields[key] !== undefined)
  return keys.sort().map((key) => [safeKey(key), fields[key]])
}

/** A field with the name of one of the line's own parts gets a prefix, as in logrus. */
function renamed(key: string, reserved: readonly string[]): string {
  return reserved.includes(key) ? `fields.${key}` : key
}

function textLine({ time, level, message, fields }: Line): string {
  let line = `time="${time}" level=${WORD[level]} msg=${textValue(message)}`
  for (const [key, value] of sorted(fields))
    line += ` ${renamed(key, ['time', 'level', 'msg'])}=${textValue(value)}`
  return line
}

function terminalLine({ sinceStart, level, message, fields }: Line): string {
  const paint = (text: string): string => `\u001b[${COLOUR[level]}m${text}\u001b[0m`
  const seconds = String(Math.floor(sinceStart / 1000)).padStart(4, '0')
  const shown = quoted(message).slice(1, -1).replaceAll('\\"', '"').padEnd(44)
  let line = `${paint(WORD[level].toUpperCase().slice(0, 4))}[${seconds}] ${shown} `
  for (const [key, value] of sorted(fields)) line += ` ${paint(key)}=${textValue(value)}`
  return line.trimEnd()
}

function jsonFormat({ time, level, message, fields }: Line): string {
  const all: Record<string, unknown> = { level: WORD[level], msg: jsonValue(message), time }
  for (const [key, value] of sorted(fields)) all[renamed(key, ['time', 'level', 'msg'])] = jsonValue(value)
  return jsonLine(Object.fromEntries(sorted(all)))
}

/** Logstash's own keys. (Distribution 2.8 writes them, 3 writes those of `json` by mistake.) */
function logstashFormat({ time, level, message, fields }: Line): string {
  const all: Record<string, unknown> = {
    '@timestamp': time,
    '@version': '1',
    level: WORD[level],
    message: jsonValue(message),
  }
  for (const [key, value] of sorted(fields)) {
    all[renamed(key, ['@timestamp', '@version', 'level', 'message'])] = jsonValue(value)
  }
  return jsonLine(Object.fromEntries(sorted(all)))
}

const FORMATS: Readonly<Record<LogFormatter, (line: Line) => string>> = {
  text: textLine,
  json: jsonFormat,
  logstash: logstashFormat,
}
