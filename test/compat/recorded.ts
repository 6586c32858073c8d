/** The answers of CNCF Distribution 3.1.2 to the scenario under its stock file of v3, written down once. */
import { readFileSync } from 'node:fs'
import type { Answer } from './play.ts'

export const RECORDED = new URL('./distribution-3.1.2.json', import.meta.url)

/** One answer a line, so that a change can be seen as one. */
export function recordOf(answers: ReadonlyMap<string, Answer>): string {
  const lines = [...answers].map(([step, answer]) => `${JSON.stringify(step)}: ${JSON.stringify(answer)}`)
  return `{\n${lines.join(',\n')}\n}\n`
}

export function readRecorded(): Map<string, Answer> {
  return new Map(Object.entries(JSON.parse(readFileSync(RECORDED, 'utf8')) as Record<string, Answer>))
}
