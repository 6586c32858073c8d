/**
 * The query of a request, leniently: any order, unknown parameters ignored whatever they hold, the first of a
 * repeated one counts. `+` stands for itself: nothing in this protocol contains a space, media types contain `+`.
 */
import { type ErrorCode, RegistryError } from '../oci/error.ts'

const MAX_VALUE_LENGTH = 1024
const DIGITS = /^[0-9]+$/
/** What a percent-decoded value must not hold: NUL, other control characters, and raw bytes that were never UTF-8. */
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f]/
// oxlint-disable-next-line no-control-regex
const NOT_ASCII = /[^\u0000-\u007f]/

/**
 * The first value of `name`; undefined where it is absent or empty.
 * @throws RegistryError with `code` for a value that is too long or no text
 */
export function queryValue(query: string, name: string, code: ErrorCode): string | undefined {
  return query === '' ? undefined : nextValue(query, 0, name, code)?.value
}

/** All values of `name` that are not empty, in order; at most `max` + 1 of them. */
export function queryValues(query: string, name: string, code: ErrorCode, max: number): string[] {
  const values: string[] = []
  let found = query === '' ? undefined : nextValue(query, 0, name, code)
  while (found !== undefined && values.length <= max) {
    values.push(found.value)
    found = nextValue(query, found.end, name, code)
  }
  return values
}

/**
 * `n`, the number of entries wanted. What no memory could hold is cut to the largest safe integer.
 * @throws RegistryError PAGINATION_NUMBER_INVALID
 */
export function parsePageSize(query: string): number | undefined {
  const text = queryValue(query, 'n', 'PAGINATION_NUMBER_INVALID')
  if (text === undefined) return undefined
  if (!DIGITS.test(text)) {
    throw new RegistryError('PAGINATION_NUMBER_INVALID', 'n is a number of entries: decimal digits only', {
      detail: { n: text.slice(0, 100) },
    })
  }
  return Math.min(Number(text), Number.MAX_SAFE_INTEGER)
}

function nextValue(
  query: string,
  start: number,
  name: string,
  code: ErrorCode,
): { value: string; end: number } | undefined {
  let from = start
  while (from < query.length) {
    const ampersand = query.indexOf('&', from)
    const end = ampersand < 0 ? query.length : ampersand
    const begin = from + name.length + 1
    if (begin < end && query[begin - 1] === '=' && query.startsWith(name, from)) {
      return { value: decode(query.slice(begin, end), name, code), end: end + 1 }
    }
    from = end + 1
  }
  return undefined
}

function decode(raw: string, name: string, code: ErrorCode): string {
  const value = raw.length > MAX_VALUE_LENGTH || NOT_ASCII.test(raw) ? undefined : percentDecode(raw)
  if (value === undefined || CONTROL.test(value)) {
    throw new RegistryError(
      code,
      `the query's "${name}" is at most ${MAX_VALUE_LENGTH} characters of percent-encoded UTF-8 without control characters`,
    )
  }
  return value
}

/** Undefined for an escape that is cut off or is not UTF-8. */
export function percentDecode(raw: string): string | undefined {
  if (!raw.includes('%')) return raw
  try {
    return decodeURIComponent(raw)
  } catch {
    return undefined
  }
}
