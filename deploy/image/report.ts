/** What the build says at its end. */
import { relative } from 'node:path'
import type { Built } from './build.ts'

/** A table of layers, then the files. */
export function reportOf({ images, about, layout, digest, archives }: Built): string {
  const rows = [['', 'layer', 'packed', 'unpacked', 'digest']]
  for (const { architecture, layers, descriptor } of images) {
    for (const { name, bytes, unpacked, digest } of layers)
      rows.push([architecture, name, megabytes(bytes.length), megabytes(unpacked), digest])
    const sum = (sizes: number[]): string => megabytes(sizes.reduce((all, size) => all + size, 0))
    const packed = sum(layers.map(({ bytes }) => bytes.length))
    rows.push([
      architecture,
      'together',
      packed,
      sum(layers.map(({ unpacked }) => unpacked)),
      descriptor.digest,
    ])
  }
  const files = [...archives.values()].map((path) => `  docker load -i ${shortPath(path)}\n`)
  return `${tableOf(rows)}\nberth ${about.version}: ${digest}\n  ${shortPath(layout)} (OCI layout)\n${files.join('')}`
}

/** Millions of bytes, as engines and registries count them. */
function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}

function shortPath(path: string): string {
  const short = relative(process.cwd(), path)
  return short.startsWith('..') ? path : short
}

function tableOf(rows: readonly string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  )
  const isNumber = (column: number): boolean => column === 2 || column === 3
  const cell = (text: string, column: number): string =>
    isNumber(column) ? text.padStart(widths[column] ?? 0) : text.padEnd(widths[column] ?? 0)
  return rows.map((row) => `${row.map(cell).join('  ').trimEnd()}\n`).join('')
}
