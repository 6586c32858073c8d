/** Durable jobs: a row each, claimed by any process; at least once, so every job may be repeated. */
import type { Db, Statement } from './database.ts'

const ENSURE: Statement = {
  name: 'ensure-job',
  sql: `INSERT INTO jobs (kind, unique_key, run_at) VALUES (:kind, :kind, :runAt) ON CONFLICT (unique_key) DO NOTHING`,
}
const CLAIM: Statement = {
  name: 'claim-job',
  sql: `UPDATE jobs SET claimed_by = :processId, claimed_until = :until, attempts = attempts + 1
        WHERE unique_key = :kind AND run_at <= :now AND (claimed_until IS NULL OR claimed_until < :now)`,
}
const DUE: Statement = {
  name: 'job-due',
  sql: 'SELECT run_at, claimed_until FROM jobs WHERE unique_key = :kind',
  rows: true,
}
const DONE: Statement = {
  name: 'job-done',
  sql: `UPDATE jobs SET run_at = :runAt, claimed_by = NULL, claimed_until = NULL, attempts = 0
        WHERE unique_key = :kind AND claimed_by = :processId`,
}

/**
 * Runs `work` if the one job of this kind is due and nobody else is at it.
 * @returns whether it ran
 */
export async function runJobIfDue(
  db: Db,
  job: { kind: string; everyMs: number; claimMs: number; processId: string; now: () => number },
  work: () => Promise<void>,
): Promise<boolean> {
  const { kind, processId } = job
  const now = job.now()
  const [row] = await db.read(DUE, { kind })
  if (row === undefined) {
    await db.write({
      steps: [{ statement: ENSURE }],
      params: { kind, runAt: now + job.everyMs },
      touches: [],
    })
    return false
  }
  if ((row['run_at'] as number) > now || ((row['claimed_until'] as number | null) ?? 0) > now) return false
  const claim = await db.write({
    steps: [{ statement: CLAIM, expect: 1 }],
    params: { kind, processId, now, until: now + job.claimMs },
    touches: [],
    frees: true,
  })
  if (!claim.done) return false
  await work()
  await db.write({
    steps: [{ statement: DONE }],
    params: { kind, processId, runAt: job.now() + job.everyMs },
    touches: [],
    frees: true,
  })
  return true
}
