/** Manifests of another Berth's database, which is only read. */
import { existsSync } from 'node:fs'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { type Digest, digestToBytes } from '../../oci/digest.ts'

export type ManifestReader = {
  /** The bytes as they are stored there, whatever their repository; they need not be right. */
  find(digest: Digest): Uint8Array | undefined
  close(): void
}

/** @returns undefined: there is no database there, or none that can be read */
export function openManifestReader(path: string): ManifestReader | undefined {
  if (!existsSync(path)) return undefined
  let db: DatabaseSync | undefined
  try {
    db = new DatabaseSync(path, { readOnly: true, timeout: 2000 })
    const statement: StatementSync = db.prepare(
      `SELECT m.bytes FROM repositories r CROSS JOIN manifests m ON m.repository_id = r.id AND m.digest = ? LIMIT 1`,
    )
    const opened = db
    return {
      find: (digest) => statement.get(digestToBytes(digest))?.['bytes'] as Uint8Array | undefined,
      close: () => opened.close(),
    }
  } catch {
    // A folder is searched in other ways too; a foreign or damaged database has nothing to say.
    db?.close()
    return undefined
  }
}
