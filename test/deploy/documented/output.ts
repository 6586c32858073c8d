/** Whether a program printed what a page shows. */

/**
 * In a page, `…` stands for anything, and a date, a time, a digest for one of its kind. How far columns stand apart is
 * not looked at. Log lines may stand as they are on a terminal.
 */
function pattern(line: string): RegExp {
  const source = messageIn(line)
    .replace(/^[A-Z]{4}\[\d{4}\]\s+/, '')
    .trim()
    .replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)
    .replaceAll('…', '.*')
    .replaceAll(/\d{4}-\d\d-\d\d/g, String.raw`\d{4}-\d\d-\d\d`)
    .replaceAll(/\d\d:\d\d:\d\d/g, String.raw`\d\d:\d\d:\d\d`)
    .replaceAll(/\\\.\d{3}Z/g, String.raw`\.\d+Z`)
    .replaceAll(/UTC\\?[+-]\d\d:\d\d/g, String.raw`UTC\S*`)
    .replaceAll(/\b[0-9a-f]{8,64}\b/g, '[0-9a-f]+')
    .replaceAll(/ +/g, String.raw`\s+`)
  return new RegExp(`^${source}$`)
}

const MESSAGE = /\bmsg=(?:"((?:[^"\\]|\\.)*)"|(\S+))/

/** What a log line says, of a line that is one. */
function messageIn(line: string): string {
  const [, quoted, bare] = MESSAGE.exec(line) ?? []
  return (quoted?.replaceAll(/\\(.)/g, '$1') ?? bare ?? line).trim()
}

function printed(output: string): string[] {
  return output
    .split(/\r?\n/)
    .map(messageIn)
    .filter((line) => line !== '')
}

const shown = (prints: string): string[] => prints.split('\n').filter((line) => line.trim() !== '')

/** The lines of `prints` that are missing; a line of `…` alone is none. What else was printed does not matter. */
export function missingLines(prints: string, output: string): string[] {
  const lines = printed(output)
  let next = 0
  return shown(prints).filter((line) => {
    const wanted = pattern(line)
    const found = lines.findIndex((one, index) => index >= next && wanted.test(one))
    if (found === -1) return true
    next = found + 1
    return false
  })
}

/** What differs, or undefined. A line of `…` alone stands for any lines. */
export function difference(prints: string, output: string): string | undefined {
  const wanted = shown(prints).map((line) => (line.trim() === '…' ? '…' : pattern(line)))
  const lines = printed(output)
  let [at, any] = [0, false]
  for (const one of wanted) {
    if (one === '…') {
      any = true
      continue
    }
    const found = any ? lines.findIndex((line, index) => index >= at && one.test(line)) : at
    if (found === -1 || !one.test(lines[found] ?? ''))
      return `not there: ${one.source}; it printed:\n${output}`
    at = found + 1
    any = false
  }
  if (at < lines.length && !any) return `not shown in the page: ${lines.slice(at).join('\n')}`
  return undefined
}
