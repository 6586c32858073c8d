/** A row of the table: a load, the same for all sides, and how its figure is told. */
import type { Abilities } from '../content/seed.ts'
import type { Content, Part } from '../content/content.ts'
import type { Check } from '../content/verify.ts'
import type { PushShape } from '../tools/client.ts'
import type { Asked } from '../tools/figures.ts'

export type Load =
  /** The same small GET over and over, by wrk where it is there. */
  | { kind: 'get'; asked: (content: Content) => Asked; connections: number }
  /** A list of requests over and over, by the C client. `perByte`: told in MB/s. */
  | { kind: 'pull'; asked: (content: Content) => Asked[]; connections: number; perByte: boolean }
  | { kind: 'push'; shape: PushShape; size: number; connections: number; count: number }
  /** Whole images: per layer HEAD, POST, PATCH, PUT; then config and manifest. */
  | { kind: 'image'; layers: number; size: number; connections: number; count: number }
  /** Manifests are pulled while `pushers` connections push blobs of `size`. */
  | {
      kind: 'mixed'
      asked: (content: Content) => Asked[]
      connections: number
      pushers: number
      size: number
    }
  /** Manifests are pulled while `stalled` connections have asked for a large blob and do not read. */
  | {
      kind: 'stalled'
      asked: (content: Content) => Asked[]
      connections: number
      stalled: number
      of: (content: Content) => Asked
    }
  /** End and start again on the same folder, until the first answer. */
  | { kind: 'start' }

/** Against the better of the peers that sync. */
export type LeadGoal = {
  /** How many times better, at least. */
  wall: number
  /** Or: share of that peer's processor time per unit, at most. */
  cpu?: number
}
/** Of the value, or of a figure that stands in `also`: not more than that, whatever others need. */
export type MostGoal = { most: number; figure?: string }
/** Berth with itself: the share of the value that any of its settings may cost, or of processor time. */
export type LossGoal = {
  loss: number
  /** Shown, but not meant. */
  besides?: string
}
export type Goal = LeadGoal | MostGoal | LossGoal

/**
 * Milliseconds: what one in a hundred small requests waits beside a load, at least; and how late one in a hundred turns
 * of Berth's event loop is. The first one has all that the machine's clients take from it, too.
 */
export const PROBE_P99 = 'probe p99 ms'
export const LOOP_P99 = 'loop p99 ms'

export type Row = {
  name: string
  title: string
  /** Rows over TLS run on processes of their own. */
  tls?: boolean
  /** Berth with itself: as it is, and with what can be switched on. */
  isOwn?: boolean
  /** Needs this many of the content's parts. */
  parts: readonly Part[]
  load: Load
  /** Asked and compared before and after the row is timed. */
  checks: (content: Content) => Check[]
  needs?: keyof Abilities
  /** Part of `--quick`. */
  quick?: boolean
  goal?: Goal
}

export type Unit = { value: string; cpu: string; lowerIsBetter: boolean }

export function unitOf({ load }: Row): Unit {
  switch (load.kind) {
    case 'get':
    case 'mixed':
    case 'stalled':
      return { value: 'req/s', cpu: 'µs', lowerIsBetter: false }
    case 'pull':
      return load.perByte
        ? { value: 'MB/s', cpu: 's/GB', lowerIsBetter: false }
        : { value: 'req/s', cpu: 'µs', lowerIsBetter: false }
    case 'push':
      return { value: 'MB/s', cpu: 's/GB', lowerIsBetter: false }
    case 'image':
      return { value: 'images/s', cpu: 'ms', lowerIsBetter: false }
    case 'start':
      return { value: 'ms', cpu: 'ms', lowerIsBetter: true }
  }
}

const ACCEPT = [
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
].join(', ')
/** As today's clients send it. */
export const ACCEPT_MANIFESTS = `Accept: ${ACCEPT}`

/** The same row over TLS; goals are set for plain HTTP only. */
export function overTls(row: Row): Row {
  const copy: Row = { ...row, name: `tls-${row.name}`, title: `TLS: ${row.title}`, tls: true, quick: false }
  delete copy.goal
  return copy
}

/** The rows of these names, in their order. */
export function pick(rows: readonly Row[], names: readonly string[]): Row[] {
  return names.map((name) => {
    const row = rows.find((one) => one.name === name)
    if (row === undefined) throw new Error(`no row is called ${name}`)
    return row
  })
}
