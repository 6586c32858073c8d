/** What sessions of browsers have beside other secrets: an end that moves as they are used. */
import type { Db, Statement } from '../database.ts'
import { ACCESS_SCOPE } from './version.ts'

const EXTEND: Statement = {
  name: 'extend-session',
  sql: `UPDATE secrets SET expires_at = :until, last_used_at = :at, last_used_from = :from
        WHERE id = :id AND kind = 'session' AND revoked_at IS NULL AND expires_at < :until`,
}

/** Nobody may do anything else by it, so the access version stays. Times in milliseconds since 1970. */
export async function extendSession(
  db: Pick<Db, 'write'>,
  { id, until, at, from }: { id: number; until: number; at: number; from: string },
): Promise<void> {
  await db.write({
    steps: [{ statement: EXTEND }],
    params: { id, until, at, from },
    touches: [ACCESS_SCOPE],
    background: true,
  })
}
