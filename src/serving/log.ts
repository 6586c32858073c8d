/** Log lines in the formats of CNCF Distribution (logrus): text, json, logstash. */
import type { Clock } from '../lib/clock.ts'
import { systemClock } from '../lib/clock.ts'
import { createLastMade } from '../lib/last-made.ts'
import type { LogFields, Logger, LogLevel } from '../lib/logger.ts'
import { causesOf, jsonText, quoted, textValue } from './log-text.ts'

export type LogFormatter = 'text' | 'json' | 'logstash'
/** `keys` are those of `fields`, in the order they are written. */
type Line = {
  time: string
  sinceStart: number
  level: LogLevel
  message: string
  fields: LogFields
  keys: readonly Key[]
}
/** A field's name as it is, and as a line may hold it; and the value of the last line with its text. */
type Key = { readonly name: string; readonly shown: string; value: unknown; text: string }
type Format = { reserved: readonly string[]; write: (line: Line) => string }

/** Much is the same from line to line: a host, a method, a program's name. */
function sameText(key: Key, value: unknown, make: (key: Key, value: unknown) => string): string {
  // What can change inside is made again.
  if (value === key.value && typeof value !== 'object') return key.text
  key.value = value
  key.text = make(key, value)
  return key.text
}

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
  const format = formatter === 'text' && terminal ? TERMINAL : FORMATS[formatter]
  const keysOf = createKeyOrder(format.reserved)
  // Most lines follow within the same millisecond.
  const timeOf = createLastMade((ms: number) => new Date(ms).toISOString())
  const threshold = SEVERITY[level]
  const build = (base: LogFields): Logger => {
    const hasBase = Object.keys(base).length > 0
    const log = (at: LogLevel, message: string, extra: LogFields | undefined): void => {
      if (SEVERITY[at] > threshold) return
      const now = clock.now()
      const all = extra === undefined ? base : hasBase ? { ...base, ...extra } : extra
      const shown = withErrors(all, at, threshold)
      const keys = keysOf(shown)
      const sinceStart = now - started
      write(`${format.write({ time: timeOf(now), sinceStart, level: at, message, fields: shown, keys })}\n`)
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
  if (level !== 'error' && threshold < SEVERITY.debug) return fields
  const more: LogFields = {}
  for (const [key, value] of Object.entries(fields)) {
    if (!(value instanceof Error)) continue
    const cause = causesOf(value)
    if (cause !== '') more[`${key}.cause`] = cause
    if (value.stack !== undefined) more[`${key}.stack`] = value.stack
  }
  return { ...fields, ...more }
}

/** Fields are written in order of their names. Lines of one kind have the same fields, so the order found last is kept. */
function createKeyOrder(reserved: readonly string[]): (fields: LogFields) => readonly Key[] {
  let last: readonly string[] = []
  let ordered: readonly Key[] = []
  return (fields) => {
    const names = Object.keys(fields)
    if (names.length !== last.length || names.some((name, i) => name !== last[i])) {
      last = names
      ordered = names
        .toSorted()
        .map((name) => ({ name, shown: shownKey(name, reserved), value: undefined, text: '' }))
    }
    return ordered
  }
}

/**
 * Names come from this program and from `log.fields`; they are made harmless all the same. One that is also the
 * name of a part of the line gets a prefix, as in logrus.
 */
function shownKey(name: string, reserved: readonly string[]): string {
  const safe = name.replace(/[^\w.@-]/g, '_') || '_'
  return reserved.includes(safe) ? `fields.${safe}` : safe
}

const textField = ({ shown }: Key, value: unknown): string => ` ${shown}=${textValue(value)}`

function textLine({ time, level, message, fields, keys }: Line): string {
  let line = `time="${time}" level=${WORD[level]} msg=${textValue(message)}`
  for (const key of keys) {
    const value = fields[key.name]
    if (value !== undefined) line += sameText(key, value, textField)
  }
  return line
}

function terminalLine({ sinceStart, level, message, fields, keys }: Line): string {
  const paint = (text: string): string => `\u001b[${COLOUR[level]}m${text}\u001b[0m`
  const seconds = String(Math.floor(sinceStart / 1000)).padStart(4, '0')
  const shown = quoted(message).slice(1, -1).replaceAll('\\"', '"').padEnd(44)
  let line = `${paint(WORD[level].toUpperCase().slice(0, 4))}[${seconds}] ${shown} `
  for (const key of keys) {
    const value = fields[key.name]
    if (value !== undefined) line += ` ${paint(key.shown)}=${textValue(value)}`
  }
  return line.trimEnd()
}

const jsonField = ({ shown }: Key, value: unknown): string => `,"${shown}":${jsonText(value)}`

function jsonFields(start: string, { fields, keys }: Line): string {
  let line = start
  for (const key of keys) {
    const value = fields[key.name]
    if (value !== undefined) line += sameText(key, value, jsonField)
  }
  return `${line}}`
}

function jsonLine(line: Line): string {
  return jsonFields(
    `{"time":"${line.time}","level":"${WORD[line.level]}","msg":${jsonText(line.message)}`,
    line,
  )
}

function logstashLine(line: Line): string {
  const { time, level, message } = line
  return jsonFields(
    `{"@timestamp":"${time}","@version":"1","level":"${WORD[level]}","message":${jsonText(message)}`,
    line,
  )
}

const OF_LOGRUS = ['time', 'level', 'msg']
const TERMINAL: Format = { reserved: OF_LOGRUS, write: terminalLine }
const FORMATS: Readonly<Record<LogFormatter, Format>> = {
  text: { reserved: OF_LOGRUS, write: textLine },
  json: { reserved: OF_LOGRUS, write: jsonLine },
  /** Logstash's own names. (Distribution 2.8 writes them, 3 writes those of `json` by mistake.) */
  logstash: { reserved: ['@timestamp', '@version', 'level', 'message'], write: logstashLine },
}
