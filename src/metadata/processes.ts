/** Each process on a data folder leaves a heartbeat with its version. */
import type { Db, Statement } from './database.ts'

const BEAT: Statement = {
  name: 'heartbeat',
  sql: 'UPDATE processes SET heartbeat = :now WHERE id = :processId',
}
const FORGET: Statement = { name: 'forget-process', sql: 'DELETE FROM processes WHERE id = :processId' }
const FORGET_DEAD: Statement = {
  name: 'forget-dead-processes',
  sql: 'DELETE FROM processes WHERE heartbeat < :before AND id <> :processId',
}

const OTHERS: Statement = {
  name: 'other-processes',
  sql: 'SELECT count(*) AS others FROM processes WHERE heartbeat > :since AND id <> :processId',
  rows: true,
}

/** A process that has not been heard of for this long is forgotten; it may come back from a pause before. */
const FORGET_AFTER_MS = 7 * 86_400_000

export async function beat(db: Db, processId: string, now: number): Promise<void> {
  await db.write({
    steps: [{ statement: BEAT }, { statement: FORGET_DEAD }],
    params: { processId, now, before: now - FORGET_AFTER_MS },
    touches: [],
    synced: false,
  })
}

export async function forgetProcess(db: Db, processId: string): Promise<void> {
  await db.write({ steps: [{ statement: FORGET }], params: { processId }, touches: [], frees: true })
}

/** A process that beats does so more often. */
const ALIVE_MS = 30_000

/** How many other processes are at work on these data, or ended a moment ago without saying so. */
export async function countOtherProcesses(
  db: Pick<Db, 'read'>,
  processId: string,
  now: number,
): Promise<number> {
  const [row] = await db.read(OTHERS, { processId, since: now - ALIVE_MS })
  return (row?.['others'] as number | undefined) ?? 0
}
