/** Removes secrets that expired or were revoked long enough ago that nobody asks for them in a list any more. */
import { setImmediate } from 'node:timers/promises'
import { forgetOldSecrets } from '../metadata/access/secrets.ts'
import type { Db } from '../metadata/database.ts'

const KEEP_MS = 30 * 86_400_000
const BATCH = 500

/** @returns how many */
export async function forgetSecrets(db: Db, now: number, signal: AbortSignal): Promise<number> {
  let all = 0
  for (;;) {
    const count = await forgetOldSecrets(db, now - KEEP_MS, BATCH)
    all += count
    if (count < BATCH || signal.aborted) return all
    await setImmediate()
  }
}
