/** Lists that come in pages: a table for people, an array for programs. */
import type { Io } from './command.ts'
import { createTable } from './table.ts'

type ListText<T> = {
  header: readonly string[]
  row: (entry: T) => readonly string[]
  json: (entry: T) => object
  /** Said where there is nothing, to people. */
  empty: string
}

/** @returns the exit code: 1 where it was ended before its end */
export async function writeList<T>(
  { stdout }: Pick<Io, 'stdout'>,
  pages: AsyncIterable<readonly T[]>,
  { header, row, json, empty }: ListText<T>,
  isJson: boolean,
  signal: AbortSignal,
): Promise<number> {
  const table = createTable(header)
  let count = 0
  for await (const page of pages) {
    if (signal.aborted) return 1
    if (page.length === 0) continue
    if (isJson) {
      const lines = page.map((entry) => JSON.stringify(json(entry)))
      stdout.write(`${count === 0 ? '[\n' : ',\n'}${lines.join(',\n')}`)
    } else stdout.write(table.lines(page.map(row)))
    count += page.length
  }
  if (isJson) stdout.write(count === 0 ? '[]\n' : '\n]\n')
  else if (count === 0) stdout.write(empty)
  return 0
}

/**
 * All of a list that is read after a key.
 * @param next the page after this entry (undefined: the first); one shorter than `size` is the last
 */
export async function* pagesAfter<T>(
  next: (after: T | undefined) => Promise<readonly T[]>,
  size: number,
): AsyncGenerator<readonly T[], void> {
  let last: T | undefined
  for (;;) {
    const page = await next(last)
    yield page
    last = page.at(-1)
    if (page.length < size || last === undefined) return
  }
}
