/** What is wrong with a configuration: all of it at once, each with its place. */
import type { Origin } from './tree.ts'

export type Mistake = {
  file?: string
  line?: number
  variable?: string
  /** The setting, as `http.tls.key` or `health.http[0].uri`; empty for the file as a whole. */
  path: string
  /** What is wrong and what to do. Never the value of a secret. */
  message: string
}

export function mistakeAt(origin: Origin | undefined, path: string, message: string): Mistake {
  switch (origin?.from) {
    case 'file':
      return { file: origin.file, line: origin.line, path, message }
    case 'variable':
    case 'secret file':
      return { variable: origin.variable, path, message }
    case 'default':
    case undefined:
      return { path, message }
  }
}

/** One line: `config.yml:7: http.addr: …` or `REGISTRY_HTTP_ADDR: http.addr: …`. */
export function describeMistake({ file, line, variable, path, message }: Mistake): string {
  const place = variable ?? (file === undefined ? undefined : line === undefined ? file : `${file}:${line}`)
  const text = [place, path || undefined, message].filter((part) => part !== undefined).join(': ')
  // What was written may hold line breaks; a report of one line per mistake must not.
  return text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')
}

/** Thrown by `loadConfig` with every mistake of the file and the environment. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly mistakes: readonly Mistake[]

  constructor(mistakes: readonly Mistake[]) {
    super(mistakes.map(describeMistake).join('\n'))
    this.mistakes = mistakes
  }
}
