/** Asks a person before something that cannot be taken back. */
import { createInterface } from 'node:readline/promises'
import type { Io } from './command.ts'

/** Whether somebody can be asked at all. */
export function canAsk({ stderr }: Pick<Io, 'stderr'>): boolean {
  return process.stdin.isTTY && (stderr as { isTTY?: boolean }).isTTY === true
}

/** @returns whether the answer was yes; only where {@link canAsk} */
export async function confirm(question: string, { stderr }: Pick<Io, 'stderr'>): Promise<boolean> {
  const prompt = createInterface({ input: process.stdin, output: stderr })
  try {
    return /^y(es)?$/i.test((await prompt.question(`${question} [y/N] `)).trim())
  } finally {
    prompt.close()
  }
}
