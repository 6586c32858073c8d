/**
 * A database in memory and a blob store that can be brought back to any state they were in: every order of steps is
 * tried from the state before it, not from the beginning. The database goes back by savepoints, in which the
 * transactions of the code under test are nested; the store by the list of what was done to it.
 */
import { hash } from 'node:crypto'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { BlobStore } from '../../blobs/blob-store.ts'
import type { Db, Params, Row, SqlValue, Statement, Transaction } from '../../metadata/database.ts'
import { type Applied, createApplier } from '../../metadata/sqlite/apply.ts'
import { openDatabase } from '../../metadata/sqlite/open.ts'
import { outcomeOf } from '../../metadata/sqlite/writer.ts'
import { createStoreStates, type StoreCall, type StoreStates } from './store-states.fixture.ts'

const START = 1_800_000_000_000

export type World = {
  /** The real statements over the real database, without stops between them. */
  db: Db
  store: BlobStore
  now(): number
  advance(ms: number): void
  /** One call of the store, on the state it is in now. */
  atStore(call: StoreCall): Promise<unknown>
  /** The bytes that are finished under an object's name. */
  bytesOf(object: string): { digest: string; size: number } | undefined
  objects(): readonly string[]
  rows(sql: string): Row[]
  /** What `work` changes is undone after it. */
  aside<T>(work: () => Promise<T>): Promise<T>
  /** Equal for states that nothing can tell apart from now on. */
  key(): string
  close(): void
}

export type WorldOptions = {
  /** Breaks the code under test on purpose. */
  altered?: (transaction: Transaction) => Transaction
  foreignKeys?: boolean
}

/** What says nothing of the content: counts of commits, who runs, when which job is next. */
const NOT_CONTENT = new Set(['commits', 'processes', 'jobs', 'pull_days', 'sqlite_sequence'])
/** Told by the digest. */
const NOT_COMPARED = new Set(['manifests.bytes'])

export function createWorld({ altered = (same) => same, foreignKeys = true }: WorldOptions = {}): World {
  const connection = openDatabase(':memory:')
  if (!foreignKeys) connection.exec('PRAGMA foreign_keys = OFF')
  const applier = createApplier({
    db: nested(connection),
    processId: 'world',
    isInMemory: true,
    makeRoom: () => false,
  })
  const prepared = new Map<string, StatementSync>()
  const content = connection.prepare(contentQuery(connection))
  let time = START
  const store: StoreStates = createStoreStates(() => time)
  let contentKey: string | undefined

  function all(sql: string, params: Params): Row[] {
    let statement = prepared.get(sql)
    if (statement === undefined) {
      statement = connection.prepare(sql)
      statement.setAllowUnknownNamedParameters(true)
      prepared.set(sql, statement)
    }
    return statement.all(params as Record<string, SqlValue>) as Row[]
  }
  const read = (statement: Statement, params: Params): Row[] => all(statement.sql, params)

  const db: Db = {
    read: async (statement, params) => read(statement, params),
    cached: async (_scope, _key, statement, params, load) => load(read(statement, params)),
    recall: () => undefined,
    changes: () => NaN,
    write: async (transaction) => {
      const applied = applier.apply([altered(transaction)])[0] as Applied
      if (applied.kind === 'done') contentKey = undefined
      return outcomeOf(applied)
    },
    close: async () => undefined,
  }

  return {
    db,
    store: store.facade,
    now: () => time,
    advance: (ms) => void (time += ms),
    atStore: store.apply,
    bytesOf: store.bytesOf,
    objects: store.objects,
    rows: (sql) => all(sql, {}),
    async aside(work) {
      const before = { time, contentKey, store: store.current() }
      connection.exec('SAVEPOINT aside')
      try {
        return await work()
      } finally {
        connection.exec('ROLLBACK TO aside; RELEASE aside')
        time = before.time
        contentKey = before.contentKey
        store.goTo(before.store)
      }
    },
    key() {
      contentKey ??= hash(
        'md5',
        content
          .all()
          .map((row) => row['line'] as string)
          .sort()
          .join('\n'),
      )
      return `${contentKey} ${store.current().key} ${time}`
    },
    close: () => connection.close(),
  }
}

/** The applier's transactions become savepoints of the one that is never committed. */
function nested(connection: DatabaseSync): DatabaseSync {
  let isOpen = false
  const meant: Readonly<Record<string, [sql: string, isOpen: boolean]>> = {
    'BEGIN IMMEDIATE': ['SAVEPOINT step', true],
    COMMIT: ['RELEASE step', false],
    ROLLBACK: ['ROLLBACK TO step; RELEASE step', false],
  }
  const facade = {
    prepare: (sql: string) => connection.prepare(sql),
    exec(sql: string) {
      const [text, opens] = meant[sql] ?? [sql, isOpen]
      connection.exec(text)
      isOpen = opens
    },
    get isTransaction() {
      return isOpen
    },
  }
  return facade as unknown as DatabaseSync
}

function contentQuery(connection: DatabaseSync): string {
  const tables = connection.prepare(`SELECT name FROM sqlite_schema WHERE type = 'table'`).all()
  return tables
    .map((row) => row['name'] as string)
    .filter((table) => !NOT_CONTENT.has(table))
    .map((table) => {
      const columns = connection.prepare(`PRAGMA table_info(${table})`).all()
      const values = columns
        .map((column) => ({ name: column['name'] as string, isBytes: column['type'] === 'BLOB' }))
        .filter(({ name }) => !NOT_COMPARED.has(`${table}.${name}`))
        .map(({ name, isBytes }) => (isBytes ? `hex(${name})` : name))
      return `SELECT json_array('${table}', ${values.join(', ')}) AS line FROM ${table}`
    })
    .join(' UNION ALL ')
}
