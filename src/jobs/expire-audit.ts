/** Deletes the oldest of the record of who did what. */
import type { Logger } from '../lib/logger.ts'
import { expireAudit } from '../metadata/audit.ts'
import type { Db } from '../metadata/database.ts'

export type AuditRules = {
  /** How long entries are kept. Milliseconds. */
  keepMs: number
  /** How many are kept, at most. */
  most: number
}

export async function expireRecord(
  { db, log, now }: { db: Db; log: Logger; now: () => number },
  { keepMs, most }: AuditRules,
  signal: AbortSignal,
): Promise<void> {
  const entries = await expireAudit(db, { before: now() - keepMs, most }, signal)
  if (entries > 0) log.info('old entries of the record of who did what were deleted', { entries })
}
