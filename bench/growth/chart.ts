/** Latency over the number of rows, both logarithmic. */
import { escapeXml, svg, text } from '../report/svg.ts'
import { OPERATIONS, type SizeResult } from './measure.ts'

const [LEFT, TOP, WIDTH, HEIGHT] = [60, 40, 460, 320]
const COLORS = ['#2563eb', '#93c5fd', '#0891b2', '#d97706', '#059669', '#dc2626', '#9333ea', '#f472b6']

export function growthChart(results: readonly SizeResult[]): string {
  const sizes = results.map(({ size }) => size)
  const values = results.flatMap(({ operations }) => OPERATIONS.map((name) => operations[name].p50))
  const x = scale(Math.min(...sizes), Math.max(...sizes), LEFT, LEFT + WIDTH)
  const low = 10 ** Math.floor(Math.log10(Math.min(...values)))
  const high = 10 ** Math.ceil(Math.log10(Math.max(...values)))
  const y = scale(low, high, TOP + HEIGHT, TOP)
  const lines = OPERATIONS.map((name, index) => {
    const color = COLORS[index % COLORS.length]
    const points = results.map(
      ({ size, operations }) => `${x(size).toFixed(1)},${y(operations[name].p50).toFixed(1)}`,
    )
    const at = TOP + 14 * index
    return (
      `<polyline points="${points.join(' ')}" fill="none" stroke="${color}" stroke-width="2"/>` +
      `<rect x="${LEFT + WIDTH + 20}" y="${at}" width="10" height="10" fill="${color}"/>` +
      `<text x="${LEFT + WIDTH + 36}" y="${at + 9}">${escapeXml(name)}</text>`
    )
  })
  const columns = sizes.map((size) =>
    text(x(size), TOP + HEIGHT + 18, size.toLocaleString('en-US'), 'middle'),
  )
  const rows: string[] = []
  for (let value = low; value <= high * 1.001; value *= 10) {
    const at = y(value).toFixed(1)
    rows.push(
      `<line x1="${LEFT}" y1="${at}" x2="${LEFT + WIDTH}" y2="${at}" stroke="#ddd"/>`,
      text(LEFT - 6, y(value) + 4, `${Number(value.toPrecision(1))} ms`, 'end'),
    )
  }
  const title = text(8, 18, 'Median latency over manifests, tags and repositories', 'start', 13)
  const body = [title, ...rows, ...columns, ...lines].join('\n')
  return svg(LEFT + WIDTH + 200, TOP + HEIGHT + 36, body)
}

function scale(from: number, to: number, start: number, end: number): (value: number) => number {
  const span = Math.log(to / from) || 1
  return (value) => start + ((end - start) * Math.log(value / from)) / span
}
