/** Two registries' answers to one scenario: where they differ, and which of that is meant so. */
import type { Answer } from './play.ts'

export type Found = {
  step: string
  /** `answer` (status and error code), a header's name, or `body`. */
  field: string
  peer: string
  berth: string
}

/** What is meant to be different, and why. Texts are whole values, `-` is an absent one. */
export type Difference = {
  why: string
  /** `answer`, a header's name, `body`. */
  field: string
  peer: string | RegExp
  /** A function gives the value from the peer's. */
  berth: string | RegExp | ((peer: string) => string)
  /** Steps by name; absent: wherever it occurs. */
  steps?: readonly string[] | RegExp
}

const ABSENT = '-'

export function differencesOf(
  peer: ReadonlyMap<string, Answer>,
  berth: ReadonlyMap<string, Answer>,
): Found[] {
  const found: Found[] = []
  for (const [step, theirs] of peer) {
    const ours = berth.get(step)
    if (ours === undefined) throw new Error(`there is no answer to ${step}`)
    found.push(...between(theirs, ours).map((one) => ({ step, ...one })))
  }
  return found
}

function between(peer: Answer, berth: Answer): Omit<Found, 'step'>[] {
  const [theirs, ours] = [outcome(peer), outcome(berth)]
  const found = theirs === ours ? [] : [{ field: 'answer', peer: theirs, berth: ours }]
  // What goes with another status is another answer altogether.
  if (peer.status !== berth.status) return found
  const names = new Set([...Object.keys(peer.headers), ...Object.keys(berth.headers)])
  for (const name of names) {
    const values = { peer: peer.headers[name] ?? ABSENT, berth: berth.headers[name] ?? ABSENT }
    if (values.peer !== values.berth) found.push({ field: name, ...values })
  }
  const bodies = { peer: peer.body ?? ABSENT, berth: berth.body ?? ABSENT }
  if (peer.status < 400 && bodies.peer !== bodies.berth) found.push({ field: 'body', ...bodies })
  return found
}

/** `404 BLOB_UNKNOWN`; a body that is no error is not part of it. */
function outcome({ status, body }: Answer): string {
  if (status < 400 || body === undefined) return `${status}`
  return `${status} ${body.startsWith('errors ') ? body.slice(7) : body}`
}

/** Takes what is meant out of what was found. `unused` are entries that nothing was found for. */
export function judge(
  found: readonly Found[],
  table: readonly Difference[],
): { unexpected: Found[]; unused: Difference[]; met: Map<Difference, Found[]> } {
  const met = new Map<Difference, Found[]>()
  const unexpected: Found[] = []
  for (const one of found) {
    const entry = table.find((difference) => covers(difference, one))
    if (entry === undefined) unexpected.push(one)
    else met.set(entry, [...(met.get(entry) ?? []), one])
  }
  return { unexpected, unused: table.filter((difference) => !met.has(difference)), met }
}

function covers({ field, peer, berth, steps }: Difference, found: Found): boolean {
  if (field !== found.field || !says(peer, found.peer)) return false
  if (!says(typeof berth === 'function' ? berth(found.peer) : berth, found.berth)) return false
  if (steps === undefined) return true
  return steps instanceof RegExp ? steps.test(found.step) : steps.includes(found.step)
}

function says(wanted: string | RegExp, value: string): boolean {
  return typeof wanted === 'string' ? wanted === value : wanted.test(value)
}

export function told({ step, field, peer, berth }: Found): string {
  return `${step}\n    ${field}: ${peer}  →  ${berth}`
}
