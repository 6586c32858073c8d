/** How strings and errors get into a log line so that nothing from outside can end the line, forge one, or colour a terminal. */

/** Longest string taken into a line, in UTF-16 units. */
const LONGEST = 8 * 1024
/** logrus leaves a value bare only if it is made of these. */
const BARE = /^[A-Za-z0-9\-._/@^+]*$/
/** Quote, backslash, and whatever Go does not call printable: controls, format characters (bidi), separators, half surrogates. */
const UNSAFE = /["\\]|(?! )[\p{C}\p{Z}]/gu
/** Printable ASCII without quote and backslash: what needs no second look, and nearly everything is. */
const PLAIN = /^[ !#-[\]-~]*$/
/** What JSON leaves as it is and a terminal or a line reader may act on. */
const UNSAFE_IN_JSON = /(?! )[\p{C}\p{Z}]/gu

const SHORT: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\u0007': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
}

function escaped(char: string): string {
  const short = SHORT[char]
  if (short !== undefined) return short
  const point = char.codePointAt(0) ?? 0
  if (point < 0x80) return `\\x${point.toString(16).padStart(2, '0')}`
  if (point < 0x10000) return `\\u${point.toString(16).padStart(4, '0')}`
  return `\\U${point.toString(16).padStart(8, '0')}`
}

/** As Go's `%q` writes a string. */
export function quoted(text: string): string {
  if (text.length <= LONGEST && PLAIN.test(text)) return `"${text}"`
  return `"${bounded(text).replace(UNSAFE, escaped)}"`
}

/** As logrus writes a value: bare where that is safe, else quoted. */
export function textValue(value: unknown): string {
  const text = plain(value)
  return BARE.test(text) ? bounded(text) : quoted(text)
}

/**
 * A value as JSON on one line; separators and controls beyond ASCII are escaped too. Numbers, booleans and plain
 * data stay what they are, errors become their message, strings are bounded.
 */
export function jsonText(value: unknown): string {
  if (typeof value === 'string') return jsonString(value)
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return JSON.stringify(value)
  const text = plain(value)
  const isData =
    typeof value === 'object' && !(value instanceof Error) && text !== UNPRINTABLE && text.length <= LONGEST
  return isData ? text.replace(UNSAFE_IN_JSON, unicodeEscaped) : jsonString(text)
}

function jsonString(text: string): string {
  if (text.length <= LONGEST && PLAIN.test(text)) return `"${text}"`
  return JSON.stringify(bounded(text)).replace(UNSAFE_IN_JSON, unicodeEscaped)
}

function unicodeEscaped(char: string): string {
  let escapes = ''
  for (let i = 0; i < char.length; i++) escapes += `\\u${char.charCodeAt(i).toString(16).padStart(4, '0')}`
  return escapes
}

const UNPRINTABLE = 'unprintable'

function plain(value: unknown): string {
  if (typeof value === 'string') return value
  if (value instanceof Error) return value.message
  if (typeof value !== 'object' || value === null) return String(value)
  try {
    return JSON.stringify(value) ?? ''
  } catch {
    return UNPRINTABLE
  }
}

function bounded(text: string): string {
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}… (${text.length} characters)`
}

/** `message: message of the cause: …`, at most five deep. */
export function causesOf(error: Error): string {
  const messages: string[] = []
  for (let at: unknown = error.cause; at !== undefined && messages.length < 5;) {
    messages.push(at instanceof Error ? at.message : plain(at))
    at = at instanceof Error ? at.cause : undefined
  }
  return messages.join(': ')
}
