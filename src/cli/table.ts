/** Tables of lists, and texts from outside made fit for a terminal. */

/** Control characters and those that turn the direction of writing: what a client called itself must not draw. */
// oxlint-disable-next-line no-control-regex
const UNFIT = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu

export function fit(text: string, most = Infinity): string {
  const clean = text.replace(UNFIT, '?')
  const characters = Array.from(clean)
  return characters.length <= most ? clean : `${characters.slice(0, most - 1).join('')}…`
}

export type Table = {
  /** Lines for these rows; the first ones are led by the header, and say how wide the columns are. */
  lines(rows: readonly (readonly string[])[]): string
}

/** Columns two spaces apart, the last one as wide as it likes. A list in pages is one table. */
export function createTable(header: readonly string[]): Table {
  let widths: number[] | undefined
  return {
    lines(rows) {
      const all = widths === undefined ? [header, ...rows] : rows
      widths ??= header.map((_, column) =>
        Math.max(...all.map((row) => Array.from(row[column] ?? '').length)),
      )
      const wide = widths
      const cell = (text: string, column: number, row: readonly string[]) =>
        column === row.length - 1 ? text : text.padEnd(wide[column] as number)
      return all
        .map(
          (row) =>
            `${row
              .map((text, column) => cell(text, column, row))
              .join('  ')
              .trimEnd()}\n`,
        )
        .join('')
    },
  }
}

/** `sha256:0123…` as twelve digits, which is enough for a person, or whole. */
export function digestText(digest: string, isWhole: boolean): string {
  return isWhole ? digest : digest.slice(digest.indexOf(':') + 1).slice(0, 12)
}
