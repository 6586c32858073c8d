/** How late Berth's event loop is, told from inside (see `loop-delay.js`). Of other registries nothing is known. */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { BenchFailure } from '../failure.ts'

const SCRIPT = new URL('loop-delay.js', import.meta.url).href
const fileIn = (folder: string): string => join(folder, 'loop-delay.json')

/** For the start of a Node.js program whose files are in `folder`. */
export const loopDelayFlags = (): string[] => ['--import', SCRIPT]
export const loopDelayEnv = (folder: string): Record<string, string> => ({
  BENCH_LOOP_DELAY: fileIn(folder),
})

/** Milliseconds beyond the next turn's time, each. */
export type LoopDelay = { p50: number; p99: number; max: number }

/** Begins to watch. @returns ends it */
export function watchLoop({ pid, folder }: { pid: number; folder: string }): () => Promise<LoopDelay> {
  const file = fileIn(folder)
  rmSync(file, { force: true })
  process.kill(pid, 'SIGUSR2')
  return async () => {
    process.kill(pid, 'SIGUSR2')
    for (let tries = 0; !existsSync(file); tries += 1) {
      if (tries === 100) throw new BenchFailure('the event loop did not say how late it was')
      await sleep(50)
    }
    const nanoseconds = JSON.parse(readFileSync(file, 'utf8')) as LoopDelay
    const { p50, p99, max } = nanoseconds
    return { p50: p50 / 1e6, p99: p99 / 1e6, max: max / 1e6 }
  }
}
