/**
 * A database is two verbs: `read` a named statement, and `write` a transaction whose statements each say how many
 * rows they expect; a miss rolls all of it back, and the caller reads again and decides anew.
 */
import type { Waiting } from '../lib/waiting.ts'
export type SqlValue = string | number | null | Uint8Array
export type Params = Readonly<Record<string, SqlValue>>
export type Row = Record<string, SqlValue>

/**
 * A statement with a name, prepared once. Parameters are named (`:digest`); one that the text does not mention is
 * ignored, so that the statements of a transaction can share one set.
 */
export type Statement = {
  readonly name: string
  readonly sql: string
  /** It is read for its rows (SELECT, RETURNING); otherwise the rows it changed are counted. */
  readonly rows?: boolean
}

export type Step = {
  readonly statement: Statement
  /** How many rows it must return or change. Absent: any number. */
  readonly expect?: number
}

/**
 * One change as the journal tells it: enough to make it again over an older snapshot, with all that rows record. `t`
 * is the time that the rows have (milliseconds since 1970), where they have one.
 */
export type JournalEntry = Readonly<
  Record<
    string,
    string | number | null | readonly string[] | Readonly<Record<string, string | number | null>>
  >
> & {
  readonly do: string
  readonly t?: number
}

export type Transaction = {
  readonly steps: readonly Step[]
  readonly params: Params
  /** Names of the repositories whose cached rows this changes; `'*'` for all. */
  readonly touches: readonly string[]
  readonly journal?: readonly JournalEntry[]
  /** It makes room (deletes, cancels), so it may use the reserve that is kept for a full disk. */
  readonly frees?: boolean
  /**
   * False: it has to outlive a kill, not a power cut, so that no sync is waited for; the next one that is covers it.
   * Nothing that a client was told is stored may rest on it.
   */
  readonly synced?: false
  /** Nobody waits for it: it goes behind what requests write. */
  readonly background?: boolean
}

export type Outcome =
  /** `rows[i]`: what step i returned (empty where it was only counted); `changes[i]`: its count. */
  | { readonly done: true; readonly rows: readonly Row[][]; readonly changes: readonly number[] }
  /** Step `missed` did not find the rows it expected, but `rows`; nothing was changed. */
  | { readonly done: false; readonly missed: number; readonly rows: readonly Row[] }

export type Db = {
  read(statement: Statement, params: Params): Promise<readonly Row[]>
  /**
   * What `load` makes of a statement's rows, from memory while nothing that was committed since, by any process, can
   * have changed it. `scope` is the repository's name, `key` is unique within it. An undefined result is not kept.
   * Without waiting where it is in memory; what `read` throws may then be thrown at once, too.
   * @param weigh bytes that the value holds in memory
   */
  cached<T extends object>(
    scope: string,
    key: string,
    statement: Statement,
    params: Params,
    load: (rows: readonly Row[]) => T | undefined,
    weigh: (value: T) => number,
  ): Waiting<T | undefined>
  /** What {@link cached} keeps for this scope and key, if it does and it is exactly fresh; without waiting. */
  recall(scope: string, key: string): object | undefined
  /**
   * What was worked out from cached rows holds for as long as this number is the same (`===`): it is another one as
   * soon as any of them may have changed, and NaN, which is never the same, while a write of this process is under
   * way. Without waiting.
   */
  changes(): number
  /**
   * @throws DatabaseFullError the disk is full; nothing was changed
   * @throws DatabaseBusyError another program holds the database; nothing was changed
   * @throws DatabaseLostError the writer ended; whether it was written is not known
   * @throws ForeignKeyError something still names what was to be removed; nothing was changed
   */
  write(transaction: Transaction): Promise<Outcome>
  close(): Promise<void>
}

export class DatabaseFullError extends Error {
  override readonly name = 'DatabaseFullError'
}

/** Somebody holds the database for longer than a request can wait: try again. */
export class DatabaseBusyError extends Error {
  override readonly name = 'DatabaseBusyError'
}

/** The answer of a write did not come: whether it was committed is not known. */
export class DatabaseLostError extends Error {
  override readonly name = 'DatabaseLostError'
}

export class ForeignKeyError extends Error {
  override readonly name = 'ForeignKeyError'
}

/** The database cannot be used as it is; the message says what to do. */
export class DatabaseRefusedError extends Error {
  override readonly name = 'DatabaseRefusedError'
}
