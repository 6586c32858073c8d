/** Asks a person before something that cannot be taken back. */
import { createInterface } from 'node:readline/promises'
import type { Io } from './command.ts'

/** Whether somebody can be asked at all. */
export function canAsk({ stderr }: Pick<Io, 'stderr'>): boolean {
  return process.stdin.isTTY && (stderr as { isTTY?: boolean }).isTTY === true
}

/** @returns whether the answer was yes; Ctrl-C and Ctrl-D are none. Only where {@link canAsk} */
export async function confirm(question: string, { stderr }: Pick<Io, 'stderr'>): Promise<boolean> {
  const prompt = createInterface({ input: process.stdin, output: stderr })
  const closed = new AbortController()
  prompt.once('close', () => closed.abort())
  try {
    const answer = await prompt.question(`${question} [y/N] `, { signal: closed.signal })
    return /^y(es)?$/i.test(answer.trim())
  } catch (error) {
    if ((error as Error).name !== 'AbortError') throw error
    return false
  } finally {
    prompt.close()
  }
}
