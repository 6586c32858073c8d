/** Ranges of bytes: of a blob that is read (RFC 9110, section 14), of a chunk that is written (distribution-spec). */
import type { ByteRange } from '../registry/registry.ts'

const UNIT = /^\s*bytes\s*=/i
const SPEC = /^\s*(\d*)\s*-\s*(\d*)\s*$/
const CONTENT_RANGE = /^\s*(?:bytes[ =]\s*)?(\d+)\s*-\s*(\d+)\s*(?:\/\s*(?:\d+|\*))?\s*$/i

/**
 * `Range` of a GET. Undefined means the whole: no header, another unit, or several ranges, which a server may
 * answer so. `unsatisfiable` is what no blob can give: `500-0`, `-0`, and what is no range at all.
 */
export function parseRange(header: string | undefined): ByteRange | 'unsatisfiable' | undefined {
  if (header === undefined) return undefined
  const unit = UNIT.exec(header)
  if (unit === null) return undefined
  const spec = header.slice(unit[0].length)
  if (spec.includes(',')) return undefined
  const match = SPEC.exec(spec)
  const first = match?.[1] ?? ''
  const last = match?.[2] ?? ''
  if (first === '' && last === '') return 'unsatisfiable'
  if (first === '') return wholeNumber(last) === 0 ? 'unsatisfiable' : { suffix: wholeNumber(last) }
  if (last === '') return { first: wholeNumber(first) }
  if (wholeNumber(last) < wholeNumber(first)) return 'unsatisfiable'
  return { first: wholeNumber(first), last: wholeNumber(last) }
}

/**
 * `Content-Range` of a chunk: `<first>-<last>` in this protocol, and RFC 9110's `bytes <first>-<last>/<size>` is
 * understood too. Undefined: not a range.
 */
export function parseContentRange(header: string): { first: number; last: number } | undefined {
  const match = CONTENT_RANGE.exec(header)
  if (match === null) return undefined
  const first = Number(match[1])
  const last = Number(match[2])
  return first <= last && Number.isSafeInteger(last) ? { first, last } : undefined
}

/** `Range` of an upload: `0-<last byte>`, without a unit; `0-0` also where nothing was received. */
export function uploadRange(received: number): string {
  return received > 0 ? `0-${received - 1}` : '0-0'
}

/** A number larger than any blob stays a number. */
function wholeNumber(digits: string): number {
  return Math.min(Number(digits), Number.MAX_SAFE_INTEGER)
}
