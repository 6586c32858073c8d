/**
 * Holds: while one is in force no file is removed, so that a backup or an export can read what the rows named when it
 * began. Objects that were garbage already when the hold was taken may still go. A hold ends by itself if whoever took
 * it is gone: it is renewed while the work goes on.
 */
import { randomBytes } from 'node:crypto'
import type { Db, Statement } from './database.ts'

const TAKE: Statement = {
  name: 'take-removal-hold',
  sql: 'INSERT INTO removal_holds (id, reason, until) VALUES (:id, :reason, :until)',
}
const FORGET_OVER: Statement = {
  name: 'forget-removal-holds-over',
  sql: 'DELETE FROM removal_holds WHERE until <= :now',
}
const RENEW: Statement = {
  name: 'renew-removal-hold',
  sql: 'UPDATE removal_holds SET until = max(until, :until) WHERE id = :id AND until > :now',
}
const RELEASE: Statement = {
  name: 'release-removal-hold',
  sql: 'DELETE FROM removal_holds WHERE id = :id',
}
const IN_FORCE: Statement = {
  name: 'removal-holds-in-force',
  sql: 'SELECT reason, until FROM removal_holds WHERE until > :now ORDER BY until',
  rows: true,
}

/**
 * Takes a hold for `ms` from `now`.
 * @param reason as a person reads it: `backup to /mnt/disk`
 * @returns its id, for {@link renewHold} and {@link releaseHold}
 */
export async function takeHold(db: Db, reason: string, now: number, ms: number): Promise<string> {
  const id = randomBytes(8).toString('hex')
  await db.write({
    steps: [{ statement: FORGET_OVER }, { statement: TAKE, expect: 1 }],
    params: { id, reason, now, until: now + ms },
    touches: [],
    frees: true,
  })
  return id
}

/** @returns false: it was over already, and files may have gone since: begin again */
export async function renewHold(db: Db, id: string, now: number, ms: number): Promise<boolean> {
  const outcome = await db.write({
    steps: [{ statement: RENEW, expect: 1 }],
    params: { id, now, until: now + ms },
    touches: [],
    frees: true,
  })
  return outcome.done
}

type Hold = {
  /**
   * False: it has been over, for however short a time, and files may have gone. Told by the clock that everyone goes by,
   * so that a process that was stopped or slept knows it before it does anything else.
   */
  isInForce(): boolean
  /** Called every `renewEveryMs` anyway. */
  renew(): Promise<void>
  /** Any number of times. */
  release(): Promise<void>
}

type HoldOptions = {
  /** As a person reads it: `backup to /mnt/disk`. */
  reason: string
  ms: number
  renewEveryMs: number
  now: () => number
}

/** Takes a hold and keeps it until it is released. */
export async function holdRemovals(db: Db, { reason, ms, renewEveryMs, now }: HoldOptions): Promise<Hold> {
  let until = now() + ms
  let isOver = false
  const id = await takeHold(db, reason, now(), ms)
  const isInForce = (): boolean => !(isOver ||= now() >= until)
  const renew = async (): Promise<void> => {
    const at = now()
    // A full disk or a busy database now is no reason to give up: there are more tries before it ends.
    const held = await renewHold(db, id, at, ms).catch(() => undefined)
    if (held === true && isInForce()) until = Math.max(until, at + ms)
    if (held === false) isOver = true
  }
  const timer = setInterval(() => void renew(), renewEveryMs)
  timer.unref()
  return {
    isInForce,
    renew,
    async release() {
      clearInterval(timer)
      await releaseHold(db, id)
    },
  }
}

/** Any number of times. */
export async function releaseHold(db: Db, id: string): Promise<void> {
  await db.write({ steps: [{ statement: RELEASE }], params: { id }, touches: [], frees: true })
}

/** Why no file is removed now, and until when at least. */
export async function holdsInForce(db: Db, now: number): Promise<{ reason: string; until: number }[]> {
  const rows = await db.read(IN_FORCE, { now })
  return rows.map((row) => ({ reason: row['reason'] as string, until: row['until'] as number }))
}
