/** What the smaller benchmarks begin and end with. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BenchFailure } from './failure.ts'

/**
 * Works in a temporary folder that is gone afterwards.
 * @returns the exit code: what the work says, or 1 for a BenchFailure, which is told
 */
export async function inFolder(name: string, work: (folder: string) => Promise<number>): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), `berth-${name}-`))
  try {
    return await work(folder)
  } catch (error) {
    if (!(error instanceof BenchFailure)) throw error
    process.stderr.write(`${error.message}\n`)
    return 1
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
