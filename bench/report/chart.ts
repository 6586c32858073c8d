/** The leads as an SVG: a bar per row and peer from 1x, on a logarithmic axis. */
import { leads, median, type Results } from '../results.ts'
import { escapeXml, svg, text } from './svg.ts'

const LEFT = 250
const WIDTH = 560
const BAR = 9
const GAP = 8
const TOP = 60
const COLORS = ['#2563eb', '#d97706', '#059669', '#9333ea', '#dc2626', '#475569']
const LIMIT = 1000

export function chartOf(results: Results): string {
  const rows = results.rows.filter(({ phase }) => phase !== 'own')
  const names = Object.keys(rows[0]?.cells ?? {})
  const [first, ...others] = results.sides.filter(({ name }) => names.includes(name))
  if (first === undefined) return svg(100, 20, '')
  const parts: string[] = []
  let y = TOP
  for (const row of rows) {
    const bars = others.map(({ name }) => median(leads(row, first.name, name)))
    if (bars.every((lead) => Number.isNaN(lead))) continue
    const label = row.mode === 'unpinned' ? row.name : `${row.name} (${row.mode})`
    parts.push(text(LEFT - 8, y + (BAR * bars.length) / 2 + 4, label, 'end'))
    bars.forEach((lead, index) => {
      if (!Number.isNaN(lead)) parts.push(bar(lead, y + index * BAR, COLORS[index % COLORS.length] as string))
    })
    y += BAR * bars.length + GAP
  }
  const legend = others.map(
    ({ name, version }, index) =>
      `<rect x="${LEFT + index * 190}" y="26" width="10" height="10" fill="${COLORS[index % COLORS.length]}"/>` +
      `<text x="${LEFT + index * 190 + 15}" y="35"><title>${escapeXml(version)}</title>${escapeXml(name)}</text>`,
  )
  const title = text(
    8,
    16,
    `How many times better ${first.name} is than … (${results.date.slice(0, 10)})`,
    'start',
  )
  return svg(LEFT + WIDTH + 60, y + 24, [title, ...legend, ...axis(y), ...parts].join('\n'))
}

/** From 1/8 to 1000. */
const place = (lead: number): number => {
  const bounded = Math.min(LIMIT, Math.max(1 / 8, lead))
  return LEFT + (WIDTH * Math.log(bounded * 8)) / Math.log(LIMIT * 8)
}

function bar(lead: number, y: number, color: string): string {
  const [from, to] = [place(1), place(lead)].sort((a, b) => a - b) as [number, number]
  const label = text(Math.max(from, to) + 4, y + BAR - 1, `${lead.toFixed(lead < 10 ? 2 : 0)}x`, 'start', 8)
  const width = Math.max(1, to - from).toFixed(1)
  return `<rect x="${from.toFixed(1)}" y="${y}" width="${width}" height="${BAR - 1}" fill="${color}"/>${label}`
}

function axis(bottom: number): string[] {
  return [1 / 8, 1 / 2, 1, 2, 5, 10, 100, 1000].map((lead) => {
    const x = place(lead).toFixed(1)
    const color = lead === 1 ? '#111' : '#ccc'
    const label = lead < 1 ? `1/${1 / lead}` : `${lead}x`
    return `<line x1="${x}" y1="${TOP - 6}" x2="${x}" y2="${bottom}" stroke="${color}"/>${text(Number(x), bottom + 14, label, 'middle')}`
  })
}
