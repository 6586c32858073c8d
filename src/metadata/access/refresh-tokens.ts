/** Refresh tokens are made with each sign-in of some clients: the oldest of one holder go, beyond a number. */
import type { Db, Statement } from '../database.ts'

const FORGET: Statement = {
  name: 'forget-oldest-refresh-tokens',
  sql: `DELETE FROM secrets WHERE id IN (
          SELECT s.id FROM secrets s WHERE s.holder = :holder AND s.kind = 'refresh'
          ORDER BY s.id DESC LIMIT -1 OFFSET :most)`,
}

/** What was got with them a moment ago may be good for as long as it is anyway: nobody took anything away. */
export async function forgetOldestRefreshTokens(
  db: Pick<Db, 'write'>,
  holder: string,
  most: number,
): Promise<void> {
  await db.write({
    steps: [{ statement: FORGET }],
    params: { holder, most },
    touches: [],
    frees: true,
    background: true,
  })
}
