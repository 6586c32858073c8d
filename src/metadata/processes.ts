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

/** A process that has not been heard of for this long is forgotten; it may come back from a pause before. */
const FORGET_AFTER_MS = 7 * 86_400_000

export async function beat(db: Db, processId: string, now: number): Promise<void> {
  await db.write({
    steps: [{ statement: BEAT }, { statement: FORGET_DEAD }],
    params: { processId, now, before: now - FORGET_AFTER_MS },
    touches: [],
  })
}

export async function forgetProcess(db: Db, processId: string): Promise<void> {
  await db.write({ steps: [{ statement: FORGET }], params: { processId }, touches: [], frees: true })
}
