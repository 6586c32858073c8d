/** What a page tells its readers to type, and what it says they will see. */

/** Typed in one go: a block of `sh`, or one `$ ` of a block of `console`. */
export type Step = {
  script: string
  /** What the page shows as its output. */
  prints: string | undefined
}

export type Block = {
  page: string
  /** Of the fence. */
  line: number
  steps: readonly Step[]
}

const FENCED = /^( *)```(\w+)\n(.*?)^\1```$/gms

/** Blocks of `sh` and `console`, in their order. A block of `text` in the same section, next to one of `sh`, is its output. */
export function readBlocks(page: string, text: string): Block[] {
  const blocks: Block[] = []
  let last: { script: string; end: number } | undefined
  for (const found of text.matchAll(FENCED)) {
    const [whole, indent = '', language = '', body = ''] = found
    const content = body.replaceAll(new RegExp(`^${indent}`, 'gm'), '')
    const line = text.slice(0, found.index).split('\n').length
    const between = last === undefined ? '#' : text.slice(last.end, found.index)
    if (language === 'sh') blocks.push({ page, line, steps: [{ script: content, prints: undefined }] })
    if (language === 'console') blocks.push({ page, line, steps: consoleSteps(content) })
    if (language === 'text' && last !== undefined && !/^#/m.test(between)) {
      const block = blocks.pop()
      if (block) blocks.push({ ...block, steps: [{ script: last.script, prints: content }] })
    }
    last = language === 'sh' ? { script: content, end: found.index + whole.length } : undefined
  }
  return blocks
}

function consoleSteps(content: string): Step[] {
  return content
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const lines = part.split('\n')
      let end = 1
      while (lines[end - 1]?.endsWith('\\')) end += 1
      const prints = lines.slice(end).join('\n').trim()
      return { script: `${lines.slice(0, end).join('\n')}\n`, prints: prints === '' ? undefined : prints }
    })
}

/** The lines of a script that a shell would run, continued ones joined. */
export function commandsOf(script: string): string[] {
  return script
    .replaceAll(/<<-? *'?(\w+)'?(.*)\n.*?^\t*\1$/gms, '<<$1$2')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
}

/** Names that stand where a shell expects a program. */
export function programsOf(script: string): Set<string> {
  const places = commandsOf(script).flatMap((line) => line.split(/\$\(|&&|\|\|?|;|\(/))
  const words = places.map((place) => /^\s*(?:\w+=\S*\s+)*(?:sudo\s+)?([\w.-]+)/.exec(place)?.[1])
  return new Set(words.filter((word) => word !== undefined))
}
