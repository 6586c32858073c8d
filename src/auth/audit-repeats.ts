/**
 * What happens again and again is one row of the record with a count: refusals within a minute, what is as ordinary as a
 * sign-in within an hour. And what is different each time, but comes from one account or address without end, becomes
 * one row for all the rest of it.
 */
import { sourceOf } from '../lib/address.ts'
import type { AuditAct, AuditEntry } from './audit.ts'

/** One row that may be counted up. */
export type Repeat = {
  /** How many times more since it was last asked. */
  takeMore(): number
  /** They could not be written. */
  giveBack(more: number): void
  written(id: number | undefined): void
}

export type Seen = {
  /** Undefined: each of its kind is a row. */
  repeat: Repeat | undefined
  /** It stands for itself, or for many of its kind. */
  entry: AuditEntry
  /** No row of this time stands for it yet. */
  isFirst: boolean
}

type Known = Repeat & { id: number | undefined; more: number; until: number }
type More = { id: number; more: number; repeat: Known }

type Rules = {
  /** For how long a row is counted up. Milliseconds. */
  windowMs: number
  /** Rows of their own in that time: of one account or address, and of all. */
  mostOfOne: number
  mostOfAll: number
}

const REFUSALS: Rules = { windowMs: 60_000, mostOfOne: 20, mostOfAll: 200 }
const ORDINARY: Rules = { windowMs: 3_600_000, mostOfOne: 20, mostOfAll: 2000 }
/** Those that succeed are as many as pulls. */
const ORDINARY_ACTS: ReadonlySet<AuditAct> = new Set(['sign-in', 'token', 'pull'])
/** Rows that are remembered; no more than this come together by the rules above. */
const MOST = 5000
const SEVERAL = '(several)'

export function createRepeats(now: () => number) {
  const withMore = new Set<Known>()
  const refusals = createKind(REFUSALS, now, withMore)
  const ordinary = createKind(ORDINARY, now, withMore)
  return {
    see(entry: AuditEntry): Seen {
      if (entry.outcome === 'refused') return refusals(entry)
      if (entry.outcome === 'done' && ORDINARY_ACTS.has(entry.act)) return ordinary(entry)
      return { repeat: undefined, entry, isFirst: true }
    },
    /** Rows that are written, and how often more they happened. */
    takeMore(): More[] {
      const taken = [...withMore].map((one) => ({ id: one.id as number, more: one.takeMore(), repeat: one }))
      withMore.clear()
      return taken.filter(({ more }) => more > 0)
    },
    /** What {@link takeMore} gave could not be written. */
    giveBack(taken: readonly More[]): void {
      for (const { repeat, more } of taken) {
        repeat.giveBack(more)
        withMore.add(repeat)
      }
    },
    hasMore: (): boolean => withMore.size > 0,
  }
}

function createKind(rules: Rules, now: () => number, withMore: Set<Known>): (entry: AuditEntry) => Seen {
  const { windowMs } = rules
  const known = new Map<string, Known>()
  const counts = createCounts(rules, now)

  function forgetOld(at: number): void {
    for (const [key, { until }] of known) {
      // In the order of their time, unless the clock was put back.
      if (until > at && until <= at + windowMs) return
      known.delete(key)
    }
  }

  function create(entry: AuditEntry): Repeat | undefined {
    if (known.size >= MOST) return undefined
    const fresh = createKnown(now() + windowMs, withMore)
    known.set(keyOf(entry), fresh)
    return fresh
  }

  function find(entry: AuditEntry): Known | undefined {
    const found = known.get(keyOf(entry))
    if (found === undefined) return undefined
    found.more += 1
    if (found.id !== undefined) withMore.add(found)
    return found
  }

  return (entry) => {
    forgetOld(now())
    const found = find(entry)
    if (found !== undefined) return { repeat: found, entry, isFirst: false }
    if (counts.isOwnRow(entry)) return { repeat: create(entry), entry, isFirst: true }
    const folded = foldOf(entry, counts.isFloodOfAll())
    const before = find(folded)
    return { repeat: before ?? create(folded), entry: folded, isFirst: before === undefined }
  }
}

function createKnown(until: number, withMore: Set<Known>): Known {
  const known: Known = {
    id: undefined,
    more: 0,
    until,
    takeMore() {
      const { more } = known
      known.more = 0
      return more
    },
    giveBack(more) {
      known.more += more
    },
    written(id) {
      known.id = id
      if (known.more > 0) withMore.add(known)
    },
  }
  return known
}

function keyOf({ act, outcome, principal, target, address, client }: AuditEntry): string {
  return JSON.stringify([act, outcome, principal.id, principal.name, target, address, client])
}

/** Names and passwords are tried: whose, is not known. */
function isGuessing({ act, outcome, principal }: AuditEntry): boolean {
  return outcome === 'refused' && (act === 'sign-in' || principal.id === 'unknown')
}

/** Many different ones as one row, which keeps what they have in common. */
function foldOf(entry: AuditEntry, isOfAll: boolean): AuditEntry {
  const guessing = isGuessing(entry)
  return {
    act: entry.act,
    outcome: entry.outcome,
    principal: guessing || isOfAll ? { id: 'unknown', name: SEVERAL } : entry.principal,
    target: SEVERAL,
    address: isOfAll || !guessing ? SEVERAL : sourceOf(entry.address),
    client: '',
    requestId: entry.requestId,
  }
}

/** How many rows there were in this stretch of time. */
function createCounts({ windowMs, mostOfOne, mostOfAll }: Rules, now: () => number) {
  let current = 0
  let all = 0
  const sources = new Map<string, number>()
  return {
    isOwnRow(entry: AuditEntry): boolean {
      const stretch = Math.floor(now() / windowMs)
      if (stretch !== current) {
        current = stretch
        all = 0
        sources.clear()
      }
      const key = isGuessing(entry) ? sourceOf(entry.address) : entry.principal.id
      const count = sources.get(key) ?? 0
      if (all >= mostOfAll || count >= mostOfOne) return false
      all += 1
      sources.set(key, count + 1)
      return true
    },
    isFloodOfAll: (): boolean => all >= mostOfAll,
  }
}
