/** A thread's own priority. */
import { readlinkSync } from 'node:fs'
import { setPriority } from 'node:os'

/**
 * Where there are more threads than cores, whoever waits for something else goes before the calling thread. Only on
 * Linux, where threads have priorities of their own.
 * @param niceness 1 (a little) to 19 (only when nobody else wants to)
 */
export function stepBack(niceness: number): void {
  if (process.platform !== 'linux') return
  try {
    const thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1))
    setPriority(thread, niceness)
  } catch {
    // It may be forbidden, and is only a kindness.
  }
}
