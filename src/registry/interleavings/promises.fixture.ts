/**
 * What clients may rely on, from what they asked and what they were answered, without a look at how the code does it.
 * A fact is `blob REPOSITORY DIGEST`, `manifest REPOSITORY DIGEST`, `read REPOSITORY DIGEST` (of a manifest: somebody was
 * told that it is there), `tag REPOSITORY NAME DIGEST` or `trash ID` (it can be restored). An answer gives
 * facts; a question that may take one away ends it as soon as it is asked, and where it is asked while the one that
 * would give it is under way, either may come first, so that nothing is promised.
 */
import assert from 'node:assert/strict'
import { HOUR_MS } from '../../metadata/blob-links.ts'

export const PROMISE_MS = 24 * HOUR_MS

export type Question = {
  verb: string
  /** Facts that a good answer promises; `day`: for 24 hours from when it was asked. */
  gives: readonly { fact: string; day?: boolean }[]
  /** What a good answer says is gone: `tag REPOSITORY NAME`, or a fact. */
  ends: readonly string[]
  /** Facts that this may take away. */
  takes(fact: string): boolean
  /** Facts that this may bring back, as `ends` has them. */
  makes(gone: string): boolean
  /** Must be refused for want of none of these. */
  relies: readonly string[]
  /** Manifests that this pushes without a tag. */
  untagged?: readonly string[]
  /** What it names may be missing. */
  sparse?: boolean
  /** Repository in which what the deleted held may be collected when its keep is over. */
  trashes?: string
}
export type Event =
  | { kind: 'asked'; id: string; question: Question }
  | {
      kind: 'answered'
      id: string
      without?: readonly string[]
      error?: { code: string; digests: readonly string[] | undefined }
    }

type Asked = {
  id: string
  question: Question
  since: number
  /** Gives or ends of it that another one may have undone. */
  spoiled: ReadonlySet<string>
  /** What it relies on that was promised when it was asked, and until when. */
  relied: ReadonlyMap<string, number>
}
export type Promises = {
  /** Until when; Infinity: until something takes it. */
  held: ReadonlyMap<string, number>
  gone: ReadonlySet<string>
  /** What may be missing of an image that is there: it was deleted by digest. */
  excused: ReadonlySet<string>
  trashed: ReadonlySet<string>
  /** Manifests that were pushed without a tag: they stay, whatever becomes of tags. */
  untagged: ReadonlySet<string>
  asked: readonly Asked[]
}

export const NOTHING: Promises = {
  held: new Map(),
  gone: new Set(),
  excused: new Set(),
  trashed: new Set(),
  untagged: new Set(),
  asked: [],
}

/** Equal keys: nothing that may be asserted from now on differs. */
export function keyOf({ trashed, asked, ...rest }: Promises): string {
  return JSON.stringify([
    ...lasting(rest),
    [...trashed].sort(),
    asked
      .map(({ id, since, spoiled, relied }) => [id, since, [...spoiled].sort(), [...relied].sort()])
      .sort((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1)),
  ])
}

/** What outlives those who asked. */
export function lasting({ held, gone, excused, untagged }: Omit<Promises, 'asked' | 'trashed'>): unknown[] {
  return [[...held].sort(), [...gone].sort(), [...excused].sort(), [...untagged].sort()]
}

/** @param now of a question: what the clock said to whoever asked it */
export function learn(before: Promises, event: Event, now: number): Promises {
  return event.kind === 'asked' ? ask(before, event, now) : answer(before, event, now)
}

function ask(before: Promises, { id, question }: Event & { kind: 'asked' }, now: number): Promises {
  const mine = new Set<string>()
  const asked = before.asked.map((other): Asked => {
    for (const { fact } of question.gives) if (other.question.takes(fact)) mine.add(fact)
    for (const gone of question.ends) if (other.question.makes(gone)) mine.add(gone)
    const theirs = [
      ...other.question.gives.map(({ fact }) => fact).filter((fact) => question.takes(fact)),
      ...other.question.ends.filter((gone) => question.makes(gone)),
    ]
    const relied = leftOf(other.relied, question, now)
    return { ...other, spoiled: new Set([...other.spoiled, ...theirs]), relied }
  })
  const relied = new Map<string, number>()
  for (const fact of question.relies) {
    const until = before.held.get(fact) ?? 0
    if (until > now) relied.set(fact, until)
  }
  const held = leftOf(before.held, question, now)
  const trashed = new Set(before.trashed)
  if (question.trashes !== undefined) trashed.add(question.trashes)
  return {
    held,
    gone: new Set([...before.gone].filter((gone) => !question.makes(gone))),
    excused: new Set([...before.excused, ...question.ends]),
    trashed,
    untagged: new Set([...before.untagged, ...(question.untagged ?? [])]),
    asked: [...asked, { id, question, since: now, spoiled: mine, relied }],
  }
}

/** What stays promised when this is asked. */
function leftOf(
  facts: ReadonlyMap<string, number>,
  { takes, trashes }: Question,
  now: number,
): Map<string, number> {
  const left = new Map<string, number>()
  for (const [fact, until] of facts) {
    if (takes(fact)) continue
    const isBounded = trashes !== undefined && fact.startsWith(`manifest ${trashes} `)
    left.set(fact, isBounded ? Math.min(until, now + PROMISE_MS) : until)
  }
  return left
}

function answer(
  before: Promises,
  { id, error, without = [] }: Event & { kind: 'answered' },
  now: number,
): Promises {
  const mine = before.asked.find((asked) => asked.id === id)
  assert.ok(mine, `${id} was answered and not asked`)
  const rest = { ...before, asked: before.asked.filter((asked) => asked !== mine) }
  const { question, since, spoiled } = mine
  if (error !== undefined) {
    const isMeant = (fact: string): boolean => error.digests?.some((digest) => fact.endsWith(digest)) ?? true
    const wanting = [...mine.relied]
      .filter(([fact, until]) => until > now && isMeant(fact))
      .map(([fact]) => fact)
    assert.deepEqual(wanting, [], `${question.verb} was answered ${error.code}, and this was promised`)
    return rest
  }
  const held = new Map(before.held)
  const excused = new Set(before.excused)
  for (const { fact, day } of question.gives) {
    if (spoiled.has(fact) || without.includes(fact)) continue
    const [kind, repository] = fact.split(' ') as [string, string]
    const isBounded = day === true || (kind === 'manifest' && before.trashed.has(repository))
    held.set(fact, Math.max(held.get(fact) ?? 0, isBounded ? since + PROMISE_MS : Infinity))
    excused.delete(fact)
  }
  if (question.sparse === true) {
    for (const fact of question.relies)
      if ((held.get(fact) ?? 0) <= now && !mine.relied.has(fact)) excused.add(fact)
  }
  const gone = new Set(before.gone)
  for (const end of question.ends) if (!spoiled.has(end)) gone.add(end)
  return { ...rest, held, excused, gone }
}

/** Those who asked are no more: what they were not answered was not promised. */
export function forgetAsked(promises: Promises): Promises {
  return { ...promises, asked: [] }
}
