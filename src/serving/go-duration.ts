/** Milliseconds as Go writes a duration: `704.783µs`, `1.2932ms`, `1.5s`, `1h2m3.5s`. */
export function goDuration(ms: number): string {
  const nanos = Math.max(0, Math.round(ms * 1e6))
  if (nanos === 0) return '0s'
  if (nanos < 1e3) return `${nanos}ns`
  if (nanos < 1e6) return `${trimmed(nanos / 1e3, 3)}µs`
  if (nanos < 1e9) return `${trimmed(nanos / 1e6, 6)}ms`
  const total = nanos / 1e9
  const hours = Math.floor(total / 3600)
  const minutes = Math.floor((total % 3600) / 60)
  const seconds = `${trimmed(total % 60, 9)}s`
  if (hours > 0) return `${hours}h${minutes}m${seconds}`
  return minutes > 0 ? `${minutes}m${seconds}` : seconds
}

function trimmed(value: number, digits: number): string {
  return value.toFixed(digits).replace(/\.?0+$/, '')
}
