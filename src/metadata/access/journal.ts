/**
 * Rows of who there is and what they may, as the journal tells them and a rebuild makes them again, ids and all. A
 * transaction that makes such a row gives its journal `journalRow`, one that changes columns `journalSet`, one that
 * removes rows `journalGone`; its own steps stay its own. Lines are made again in the order of commits, so that a line
 * needs to say only what it changed.
 *
 * Not in the journal: sessions, refresh tokens, signing keys and the record of what everybody did, which end with a lost
 * database; and when something was last used.
 */
import { type Actor, actorEntry } from '../actor.ts'
import { type Db, ForeignKeyError, type JournalEntry, type SqlValue, type Statement } from '../database.ts'

type Kind = 'text' | 'integer' | 'bytes'

/** Columns that lines may name. */
const TABLES = {
  users: {
    key: ['id'],
    columns: {
      id: 'integer',
      name: 'text',
      password: 'text',
      stamp: 'text',
      is_admin: 'integer',
      disabled_at: 'integer',
      created_at: 'integer',
      created_by: 'text',
    },
  },
  groups: {
    key: ['id'],
    columns: { id: 'integer', name: 'text', description: 'text', created_at: 'integer', created_by: 'text' },
  },
  group_members: { key: ['group_id', 'member'], columns: { group_id: 'integer', member: 'text' } },
  robots: {
    key: ['id'],
    columns: {
      id: 'integer',
      name: 'text',
      description: 'text',
      scopes: 'text',
      disabled_at: 'integer',
      expires_at: 'integer',
      created_at: 'integer',
      created_by: 'text',
    },
  },
  secrets: {
    key: ['id'],
    columns: {
      id: 'integer',
      kind: 'text',
      hash: 'bytes',
      hint: 'text',
      holder: 'text',
      holder_name: 'text',
      stamp: 'text',
      parent: 'integer',
      name: 'text',
      scopes: 'text',
      created_at: 'integer',
      created_by: 'text',
      expires_at: 'integer',
      revoked_at: 'integer',
    },
  },
  access_rules: {
    key: ['id'],
    columns: { id: 'integer', pattern: 'text', allow: 'text', changed_at: 'integer', changed_by: 'text' },
  },
} as const satisfies Record<string, { key: readonly string[]; columns: Record<string, Kind> }>

export type AccessTable = keyof typeof TABLES
type ColumnOf<T extends AccessTable> = keyof (typeof TABLES)[T]['columns'] & string
/** Some columns of a row, by name. */
export type AccessColumns<T extends AccessTable> = Readonly<Partial<Record<ColumnOf<T>, SqlValue>>>

type Written = Readonly<Record<string, string | number | null>>

/** A row was made. Columns that are left out are NULL, or have their default. */
export function journalRow<T extends AccessTable>(
  table: T,
  row: AccessColumns<T>,
  actor: Actor,
): JournalEntry {
  return { do: 'access-row', table, row: written(row), ...actorEntry(actor) }
}

/** Columns of the rows that have these (NULL: that have none there) were set to these values. */
export function journalSet<T extends AccessTable>(
  table: T,
  key: AccessColumns<T>,
  row: AccessColumns<T>,
  actor: Actor,
): JournalEntry {
  return { do: 'access-set', table, key: written(key), row: written(row), ...actorEntry(actor) }
}

/** The rows with these columns were removed: by id, or as `{member: 'user:alice'}`. Never all of a table. */
export function journalGone<T extends AccessTable>(
  table: T,
  key: AccessColumns<T>,
  actor: Actor,
): JournalEntry {
  return { do: 'access-gone', table, key: written(key), ...actorEntry(actor) }
}

function written(row: Readonly<Record<string, SqlValue | undefined>>): Written {
  return Object.fromEntries(
    Object.entries(row)
      .filter(([, value]) => value !== undefined)
      .map(([column, value]) => [
        column,
        value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value,
      ]),
  ) as Written
}

type Line = Readonly<Record<string, unknown>>

const UNUSABLE = 'the line does not say which rows, or not in a way that this version of Berth knows'

/** Makes again what one of the lines above tells. @returns why it could not be; undefined: it is made */
export async function replayAccess(db: Db, line: Line): Promise<string | undefined> {
  try {
    return await replay(db, line)
  } catch (error) {
    // A value that the table does not take: one line must not be the end of all others.
    if (/constraint failed/.test((error as Error).message) && !(error instanceof ForeignKeyError))
      return UNUSABLE
    throw error
  }
}

async function replay(db: Db, line: Line): Promise<string | undefined> {
  const table = line['table']
  if (typeof table !== 'string' || !Object.hasOwn(TABLES, table)) return UNUSABLE
  const name = table as AccessTable
  if (line['do'] === 'access-row') return replayRow(db, name, valuesOf(name, line['row']))
  const key = valuesOf(name, line['key'])
  if (key === undefined) return UNUSABLE
  if (line['do'] === 'access-gone') {
    await write(db, `DELETE FROM ${name} WHERE ${equal(key)}`, prefixed('k', key))
    return undefined
  }
  const row = valuesOf(name, line['row'])
  if (row === undefined) return UNUSABLE
  const isOne = TABLES[name].key.every((column) => key.has(column))
  return (await update(db, name, key, row)) || !isOne ? undefined : 'it is not there'
}

async function replayRow(db: Db, table: AccessTable, row: Values | undefined): Promise<string | undefined> {
  const keys: readonly string[] = TABLES[table].key
  if (row === undefined || !keys.every((column) => row.has(column))) return UNUSABLE
  const key: Values = new Map(keys.map((column) => [column, row.get(column) ?? null]))
  if (await update(db, table, key, row)) return undefined
  const columns = [...row.keys()]
  const values = columns.map((column) => `:v_${column}`).join(', ')
  // One that has its name was removed before, by a line that is lost.
  const insert = `INSERT OR REPLACE INTO ${table} (${columns.join(', ')}) VALUES (${values})`
  await write(db, insert, prefixed('v', row))
  return undefined
}

type Values = ReadonlyMap<string, SqlValue>

async function update(db: Db, table: AccessTable, key: Values, row: Values): Promise<boolean> {
  const set = [...row.keys()].map((column) => `${column} = :v_${column}`).join(', ')
  const sql = `UPDATE OR REPLACE ${table} SET ${set} WHERE ${equal(key)}`
  return (await write(db, sql, { ...prefixed('k', key), ...prefixed('v', row) })) > 0
}

const equal = (key: Values): string =>
  [...key.keys()].map((column) => `${column} IS :k_${column}`).join(' AND ')

const prefixed = (prefix: string, values: Values): Record<string, SqlValue> =>
  Object.fromEntries([...values].map(([column, value]) => [`${prefix}_${column}`, value]))

async function write(db: Db, sql: string, params: Record<string, SqlValue>): Promise<number> {
  const statement = { name: 'replay-access', sql } satisfies Statement
  const outcome = await db.write({ steps: [{ statement }], params, touches: ['*'] })
  return outcome.done ? (outcome.changes[0] ?? 0) : 0
}

/** Undefined: a column that the table does not have, a value of another kind, or nothing at all. */
function valuesOf(table: AccessTable, given: unknown): Values | undefined {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return undefined
  const kinds: Readonly<Record<string, Kind>> = TABLES[table].columns
  const values = new Map<string, SqlValue>()
  for (const [column, value] of Object.entries(given)) {
    const kind = Object.hasOwn(kinds, column) ? kinds[column] : undefined
    const read = kind === undefined ? undefined : valueOf(kind, value)
    if (read === undefined) return undefined
    values.set(column, read)
  }
  return values.size === 0 ? undefined : values
}

function valueOf(kind: Kind, value: unknown): SqlValue | undefined {
  if (value === null) return null
  switch (kind) {
    case 'integer':
      return Number.isSafeInteger(value) ? (value as number) : undefined
    case 'text':
      return typeof value === 'string' ? value : undefined
    case 'bytes':
      return typeof value === 'string' && /^(?:[0-9a-f]{2})+$/.test(value)
        ? Buffer.from(value, 'hex')
        : undefined
  }
}
