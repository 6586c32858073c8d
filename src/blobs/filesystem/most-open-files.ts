/** How many files may be kept open between reads. */
import { readFile } from 'node:fs/promises'

const MOST = 2048
/** Where the system does not say how many a process may open. */
const OTHERWISE = 256

/** A quarter of what a process may open: the rest is for connections. */
export async function mostOpenFiles(): Promise<number> {
  const limits = await readFile('/proc/self/limits', 'utf8').catch(() => '')
  const allowed = /^Max open files +(\d+|unlimited)/m.exec(limits)?.[1]
  if (allowed === undefined) return OTHERWISE
  return allowed === 'unlimited' ? MOST : Math.min(MOST, Math.floor(Number(allowed) / 4))
}
