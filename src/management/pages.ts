/** Lists by keyset: the cursor is where the page before ended. */
import { invalidField } from './problem.ts'

export type PageAsked = {
  readonly limit: number
  readonly cursor?: string | undefined
  readonly q?: string | undefined
}
export type Listed<T> = { items: T[]; next: string | null }

/** Rows that are read at a time, where not all of them are shown. */
const CHUNK = 500

/** @throws Problem INVALID */
function cursorName({ cursor }: PageAsked): string {
  if (cursor === undefined) return ''
  const text = Buffer.from(cursor, 'base64url').toString()
  if (text === '' || Buffer.from(text).toString('base64url') !== cursor) throw badCursor()
  return text
}

/** @throws Problem INVALID */
export function cursorId({ cursor }: PageAsked): number | undefined {
  if (cursor === undefined) return undefined
  const text = cursorName({ limit: 1, cursor })
  if (!/^[1-9]\d{0,15}$/.test(text)) throw badCursor()
  return Number(text)
}

function badCursor(): Error {
  return invalidField('?cursor', 'send the `next` of the page before, as it was, or nothing')
}

export const cursorOf = (key: string | number): string => Buffer.from(String(key)).toString('base64url')

/**
 * A page of those that may be shown; the others leave no trace in it, neither in its length nor in its cursor.
 * @param read at most `limit` rows behind `after`, in the order of their keys
 */
export async function pageOf<T>({
  asked,
  read,
  keyOf,
  isShown = () => true,
}: {
  asked: PageAsked
  read: (after: string, limit: number) => Promise<readonly T[]>
  keyOf: (row: T) => string
  isShown?: (row: T) => boolean | Promise<boolean>
}): Promise<{ rows: T[]; next: string | null }> {
  const rows: T[] = []
  const wanted = asked.q?.toLowerCase() ?? ''
  for (let after = cursorName(asked); ;) {
    const chunk = await read(after, CHUNK)
    for (const row of chunk) {
      if (wanted !== '' && !keyOf(row).toLowerCase().includes(wanted)) continue
      if (!(await isShown(row))) continue
      if (rows.length === asked.limit) return { rows, next: cursorOf(keyOf(rows.at(-1) as T)) }
      rows.push(row)
    }
    const last = chunk.at(-1)
    if (chunk.length < CHUNK || last === undefined) return { rows, next: null }
    after = keyOf(last)
    // Others are served between two chunks of a long list.
    await new Promise((resolve) => setImmediate(resolve))
  }
}

export const timeOf = (ms: number): string => new Date(ms).toISOString()
export const timeOrNullOf = (ms: number | undefined | null): string | null => (ms == null ? null : timeOf(ms))
