/** What a database holds, for comparing one that was made again with the one that was lost. */
import { DatabaseSync } from 'node:sqlite'

/** What no rebuild can know: promises, counts of pulls, work under way. */
const UNKNOWABLE: Readonly<Record<string, readonly string[]>> = {
  blob_links: ['lease_until'],
  manifests: ['expires_at', 'lease_until', 'last_pulled_at', 'pulls'],
  tags: ['last_pulled_at', 'pulls'],
  blobs: ['verified_at'],
  objects: ['version', 'claimed_until', 'created_at'],
  users: ['last_used_at'],
  secrets: ['last_used_at', 'last_used_from'],
}
const LEFT_OUT: ReadonlySet<string> = new Set([
  'access',
  'signing_keys',
  'audit',
  'commits',
  'uploads',
  'candidates',
  'jobs',
  'processes',
  'pull_days',
  'takeover',
  'removal_holds',
  'collection_plans',
  'collection_plan_items',
  'sqlite_sequence',
  'sqlite_stat1',
])

const ONLY: Readonly<Record<string, string>> = {
  objects: "WHERE state = 'live'",
  secrets: "WHERE kind IN ('personal', 'robot')",
}

/** Table → its rows, in an order that does not depend on how they came. */
export function dumpDatabase(path: string): Record<string, string[]> {
  const db = new DatabaseSync(path)
  try {
    const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").all() as {
      name: string
    }[]
    return Object.fromEntries(
      tables.filter(({ name }) => !LEFT_OUT.has(name)).map(({ name }) => [name, rowsOf(db, name)]),
    )
  } finally {
    db.close()
  }
}

function rowsOf(db: DatabaseSync, table: string): string[] {
  const rows = db.prepare(`SELECT * FROM ${table} ${ONLY[table] ?? ''}`).all() as Record<string, unknown>[]
  return rows
    .map((row) => {
      const left = Object.entries(row).filter(([column]) => UNKNOWABLE[table]?.includes(column) !== true)
      return JSON.stringify(left.map(([column, value]) => [column, textOf(value)]))
    })
    .sort()
}

function textOf(value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value
}
