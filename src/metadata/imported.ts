/** Which repositories of CNCF Distribution are here. */
import type { Db, Statement } from './database.ts'

const IMPORTED: Statement = {
  name: 'imported-repository',
  sql: `SELECT id, imported_at, imported_as_of, deleted_at FROM repositories
        WHERE name = :repository AND imported_at IS NOT NULL ORDER BY id DESC LIMIT 1`,
  rows: true,
}
const IMPORTED_OF: Statement = {
  name: 'imported-repositories-of',
  sql: `SELECT r.name FROM json_each(:names) j CROSS JOIN repositories r ON r.name = j.value AND r.imported_at IS NOT NULL`,
  rows: true,
}

type ImportedRepository = { id: number; importedAt: number; asOf: number; isDeleted: boolean }

/** @returns undefined: not all that Distribution had of it is here */
export async function findImported(db: Db, name: string): Promise<ImportedRepository | undefined> {
  const [row] = await db.read(IMPORTED, { repository: name })
  if (row === undefined) return undefined
  return {
    id: row['id'] as number,
    importedAt: row['imported_at'] as number,
    asOf: row['imported_as_of'] as number,
    isDeleted: row['deleted_at'] !== null,
  }
}

/** Which of these have been imported, whatever became of them since. */
export async function importedOf(db: Db, names: readonly string[]): Promise<Set<string>> {
  const rows = await db.read(IMPORTED_OF, { names: JSON.stringify(names) })
  return new Set(rows.map((row) => row['name'] as string))
}
