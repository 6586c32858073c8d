/** Rows whose id must be known before they are written, because the journal tells it. */
import type { Db, Statement, Transaction } from '../database.ts'

/** Of what was ever in a table, also of rows that are gone: an id means one thing for ever. */
const HIGHEST: Statement = {
  name: 'highest-id',
  sql: 'SELECT seq FROM sqlite_sequence WHERE name = :table',
  rows: true,
}

/**
 * Ends the SELECT of an INSERT that is given its `:id`: it adds nothing where another process was faster. The table
 * is named in `:table`.
 */
export const IS_NEW_ID = ':id > coalesce((SELECT q.seq FROM sqlite_sequence q WHERE q.name = :table), 0)'

type NewTable = 'users' | 'groups' | 'robots' | 'secrets' | 'access_rules'

/**
 * Writes a row under the next id of its table.
 * @param make the transaction; its parameters must have `id` and `table`
 * @param whyNot asked when it was not written: why, or undefined where trying again may help
 */
export async function writeNew<W>(
  db: Db,
  table: NewTable,
  make: (id: number) => Transaction,
  whyNot: () => Promise<W | undefined>,
): Promise<{ id: number } | { why: W }> {
  for (;;) {
    const [row] = await db.read(HIGHEST, { table })
    const id = ((row?.['seq'] as number | undefined) ?? 0) + 1
    const transaction = make(id)
    const outcome = await db.write({ ...transaction, params: { ...transaction.params, id, table } })
    if (outcome.done) return { id }
    const why = await whyNot()
    if (why !== undefined) return { why }
  }
}
