/** What happens again and again within a minute, so that it is one row of the record. */
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
  /** No row of this minute stands for it yet. */
  isFirst: boolean
}

type Known = Repeat & { id: number | undefined; more: number; until: number }

type More = { id: number; more: number; repeat: Known }

const MINUTE_MS = 60_000
/** Rows of a minute that are remembered. */
const MOST = 4000
/** Different refusals in a minute that are rows of their own: of one account or address, and of all. */
const MOST_OF_ONE = 20
const MOST_OF_ALL = 200
/** Those that succeed are as ordinary as a pull. */
const ORDINARY: ReadonlySet<AuditAct> = new Set(['sign-in', 'token', 'pull'])
const SEVERAL = '(several)'

export function createRepeats(now: () => number) {
  const known = new Map<string, Known>()
  const withMore = new Set<Known>()
  const refusals = createMinuteCounts(now)

  function forgetOld(at: number): void {
    for (const [key, { until }] of known) {
      // In the order of their time, unless the clock was put back.
      if (until > at && until <= at + MINUTE_MS) return
      known.delete(key)
    }
  }

  function create(key: string): Known | undefined {
    if (known.size >= MOST) return undefined
    const fresh: Known = {
      id: undefined,
      more: 0,
      until: now() + MINUTE_MS,
      takeMore() {
        const { more } = fresh
        fresh.more = 0
        return more
      },
      giveBack(more) {
        fresh.more += more
      },
      written(id) {
        fresh.id = id
        if (fresh.more > 0) withMore.add(fresh)
      },
    }
    known.set(key, fresh)
    return fresh
  }

  function find(entry: AuditEntry): Known | undefined {
    const found = known.get(keyOf(entry))
    if (found === undefined) return undefined
    found.more += 1
    if (found.id !== undefined) withMore.add(found)
    return found
  }

  return {
    see(entry: AuditEntry): Seen {
      if (entry.outcome !== 'refused' && !ORDINARY.has(entry.act))
        return { repeat: undefined, entry, isFirst: true }
      forgetOld(now())
      const found = find(entry)
      if (found !== undefined) return { repeat: found, entry, isFirst: false }
      const isOneOfMany = entry.outcome === 'refused' && !refusals.isOwnRow(entry)
      const counted = isOneOfMany ? foldOf(entry, refusals.isFloodOfAll()) : entry
      const folded = isOneOfMany ? find(counted) : undefined
      if (folded !== undefined) return { repeat: folded, entry: counted, isFirst: false }
      return { repeat: create(keyOf(counted)), entry: counted, isFirst: true }
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

function keyOf({ act, outcome, principal, target, address, client }: AuditEntry): string {
  return JSON.stringify([act, outcome, principal.id, principal.name, target, address, client])
}

/** Names and passwords are tried: whose, is not known. Else somebody who is known tries doors. */
function sourceKey({ act, principal, address }: AuditEntry): string {
  return act === 'sign-in' || principal.id === 'unknown' ? sourceOf(address) : principal.id
}

/** Many different refusals as one row, which keeps what they have in common. */
function foldOf(entry: AuditEntry, isOfAll: boolean): AuditEntry {
  const isGuessing = entry.act === 'sign-in' || entry.principal.id === 'unknown'
  const nobody = { id: 'unknown', name: SEVERAL }
  return {
    act: entry.act,
    outcome: entry.outcome,
    principal: isGuessing || isOfAll ? nobody : entry.principal,
    target: SEVERAL,
    address: isOfAll || !isGuessing ? SEVERAL : sourceOf(entry.address),
    client: '',
    requestId: entry.requestId,
  }
}

/** How many rows of refusals this minute has had. */
function createMinuteCounts(now: () => number) {
  let minute = 0
  let all = 0
  const sources = new Map<string, number>()
  return {
    isOwnRow(entry: AuditEntry): boolean {
      const current = Math.floor(now() / MINUTE_MS)
      if (current !== minute) {
        minute = current
        all = 0
        sources.clear()
      }
      const key = sourceKey(entry)
      const count = sources.get(key) ?? 0
      if (all >= MOST_OF_ALL || count >= MOST_OF_ONE) return false
      all += 1
      sources.set(key, count + 1)
      return true
    },
    isFloodOfAll: (): boolean => all >= MOST_OF_ALL,
  }
}
