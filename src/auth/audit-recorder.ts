/**
 * The record of who did what, on its way into the database: kept in memory for a moment and written in batches behind
 * what requests write. What comes again and again is one row with a count (`audit-repeats.ts`).
 */
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/logger.ts'
import { insertAudit, type NewAuditRow } from '../metadata/audit.ts'
import type { Db } from '../metadata/database.ts'
import type { Audit, AuditEntry } from './audit.ts'
import type { AuditFigures } from './audit-figures.ts'
import { createRepeats, type Repeat } from './audit-repeats.ts'
import { auditRowOf } from './audit-row.ts'

export type AuditRecorder = Audit & {
  /** Everything up to now is written, or could not be. */
  flush(): Promise<void>
  close(): Promise<void>
}

type Options = {
  db: Pick<Db, 'write'>
  clock: Clock
  log: Logger
  figures: AuditFigures
  /** Each entry is a line of the log too. */
  isLogged: boolean
  /** Until a new row is written, at most. Milliseconds. */
  delayMs?: number
}

/** Rows that wait, at most; what comes then is lost, and the record says how many. */
const MOST_WAITING = 4000
const MOST_AT_ONCE = 500
const DELAY_MS = 100
/** How often the counts of rows that are written already are brought up to date. */
const COUNTS_MS = 5000
const FIRST_RETRY_MS = 1000
const LONGEST_RETRY_MS = 30_000
/** Of the last rows, at the end. */
const CLOSE_MS = 3000

type Waiting = { row: NewAuditRow; repeat: Repeat | undefined }

export function createAuditRecorder(options: Options): AuditRecorder {
  const { db, clock, log, figures, delayMs = DELAY_MS } = options
  const repeats = createRepeats(() => clock.now())
  const waiting: Waiting[] = []
  const timer = createTimer(() => void flush())
  let dropped = 0
  let failures = 0
  let writing: Promise<boolean> | undefined

  function take(entry: AuditEntry): void {
    const { repeat, entry: counted, isFirst } = repeats.see(entry)
    if (!isFirst) {
      timer.within(COUNTS_MS)
      return
    }
    if (waiting.length >= MOST_WAITING) {
      dropped += 1
      figures.dropped += 1
      return
    }
    waiting.push({ row: auditRowOf(counted, clock.now()), repeat })
    if (failures === 0) timer.within(delayMs)
  }

  /** @returns whether it was written */
  async function writeBatch(): Promise<boolean> {
    const batch = waiting.splice(0, MOST_AT_ONCE)
    const again = repeats.takeMore()
    const lost = dropped
    const rows = batch.map(({ row, repeat }) => ({ ...row, times: 1 + (repeat?.takeMore() ?? 0) }))
    if (lost > 0) rows.push(auditRowOf(lossOf(lost), clock.now()))
    try {
      const ids = await insertAudit(
        db,
        rows,
        again.map(({ id, more }) => ({ id, more })),
      )
      for (const [index, { repeat }] of batch.entries()) repeat?.written(ids[index])
      dropped -= lost
      failures = 0
      return true
    } catch (error) {
      for (const [index, { repeat }] of batch.entries()) repeat?.giveBack((rows[index]?.times ?? 1) - 1)
      repeats.giveBack(again)
      waiting.unshift(...batch)
      if (failures === 0)
        log.warn('the record of who did what cannot be written; it waits in memory', { error })
      timer.within(Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** failures))
      failures += 1
      return false
    }
  }

  async function flush(): Promise<void> {
    timer.stop()
    for (;;) {
      if (writing !== undefined) {
        if (!(await writing)) return
        continue
      }
      if (waiting.length === 0 && dropped === 0 && !repeats.hasMore()) return
      writing = writeBatch().finally(() => (writing = undefined))
    }
  }

  return {
    record(entry) {
      try {
        figures.count(entry)
        if (options.isLogged) logEntry(log, entry)
        take(entry)
      } catch (error) {
        log.warn('an entry of the record of who did what was lost', { error })
      }
    },
    flush,
    async close() {
      let late: NodeJS.Timeout | undefined
      await Promise.race([flush(), new Promise((resolve) => (late = setTimeout(resolve, CLOSE_MS)))])
      clearTimeout(late)
      timer.stop()
      if (waiting.length > 0) log.warn('the last entries of the record were lost', { count: waiting.length })
    },
  }
}

function lossOf(count: number): AuditEntry {
  return {
    act: 'audit',
    outcome: 'failed',
    principal: { id: 'berth', name: 'berth' },
    target: 'audit',
    detail: { lost: count },
    address: '',
    client: '',
    requestId: '',
  }
}

function logEntry(log: Logger, entry: AuditEntry): void {
  const { act, outcome, principal, target, detail, address, client, requestId } = entry
  log.info('audit', {
    'audit.act': act,
    'audit.outcome': outcome,
    'audit.principal': principal.name,
    'audit.principal.id': principal.id,
    'audit.target': target,
    'audit.detail': detail,
    'audit.address': address,
    'audit.client': client,
    'http.request.id': requestId,
  })
}

/** One timer; what is to happen sooner wins. It keeps no process alive. */
function createTimer(run: () => void) {
  let timer: NodeJS.Timeout | undefined
  let due = Infinity
  return {
    within(ms: number): void {
      const at = performance.now() + ms
      if (at >= due) return
      clearTimeout(timer)
      due = at
      timer = setTimeout(() => {
        due = Infinity
        run()
      }, ms)
      timer.unref()
    },
    stop(): void {
      clearTimeout(timer)
      due = Infinity
    },
  }
}
