/** Makes the parts of a schema: `flag`, `integer`, `duration`, `text`, `choice`, … (see `shape.ts`). */
import {
  isNullText,
  readBoolean,
  readBytes,
  readDuration,
  readNumber,
  wholeMilliseconds,
  writeBytes,
  writeDuration,
} from './scalars.ts'
import {
  type FreeShape,
  type ListShape,
  Misfit,
  type ScalarShape,
  type SectionShape,
  type Shape,
  type TableShape,
} from './shape.ts'

type Works<S> = S & { state: 'works' }
type Basics<T> = { doc: string; default: T; bare?: T; segment?: string; secret?: boolean }

function scalar<T>(
  { doc, default: value, bare, segment, secret }: Basics<T>,
  parts: Pick<ScalarShape<T>, 'type' | 'read' | 'print' | 'remark'>,
): Works<ScalarShape<T>> {
  return { kind: 'scalar', state: 'works', doc, default: value, bare, segment, secret, ...parts }
}

export function flag(basics: Basics<boolean>): Works<ScalarShape<boolean>> {
  return scalar(basics, {
    type: 'boolean',
    read(text, quoted) {
      const value = readBoolean(text)
      if (value === undefined) throw new Misfit('must be true or false')
      if (quoted) throw new Misfit('must be true or false without quotes')
      return value
    },
    print: String,
  })
}

type Bounds = {
  min?: number
  max?: number
  /** Numbers that mean "as by default": Go's zero value, mostly. */
  defaultFor?: 'zero' | 'zero or less'
}

function bounded(
  value: number,
  { default: fallback, defaultFor, min = 0, max }: Bounds & { default: number },
  print: (value: number) => string,
): number {
  if (defaultFor !== undefined && (value === 0 || (value < 0 && defaultFor === 'zero or less')))
    return fallback
  if (value < min) throw new Misfit(`must be at least ${print(min)}`)
  if (max !== undefined && value > max) throw new Misfit(`must be at most ${print(max)}`)
  return value
}

export function integer(basics: Basics<number> & Bounds): Works<ScalarShape<number>> {
  return scalar(basics, {
    type: 'integer',
    read(text, quoted) {
      const value = quoted ? undefined : readNumber(text)
      if (value === undefined || !Number.isSafeInteger(value)) {
        throw new Misfit(
          quoted && /^[0-9]+$/.test(text) ? 'must not stand in quotes' : 'must be a whole number',
        )
      }
      return bounded(value, basics, String)
    },
    print: String,
  })
}

/** The longest wait that `setTimeout` keeps; what is waited for and not only compared must stay below. */
export const LONGEST_WAIT = 2 ** 31 - 1
/** Go's longest duration. */
const LONGEST = 2_562_047 * 3_600_000

/** In milliseconds. A plain number counts nanoseconds, as in Distribution. */
export function duration(basics: Basics<number> & Bounds): Works<ScalarShape<number>> {
  return scalar(basics, {
    type: 'duration',
    read(text, quoted) {
      const value = readDuration(text) ?? nanoseconds(text, quoted)
      if (value === undefined || value > LONGEST) throw new Misfit(durationHint(text))
      return bounded(value, basics, writeDuration)
    },
    remark(text, quoted) {
      const count = quoted || text === '0' ? undefined : readNumber(text)
      if (!count) return undefined
      return `a number without a unit counts nanoseconds, as in Distribution: write ${text}s if seconds are meant`
    },
    print: writeDuration,
  })
}

function nanoseconds(text: string, quoted: boolean): number | undefined {
  const count = quoted ? undefined : readNumber(text)
  return count === undefined ? undefined : wholeMilliseconds(count / 1e6)
}

function durationHint(text: string): string {
  const days = /^([0-9]{1,5})d$/.exec(text)?.[1]
  return days === undefined
    ? 'must be a duration such as 10s, 5m or 168h'
    : `must be a duration in hours, minutes and seconds: write ${Number(days) * 24}h`
}

export function bytes(basics: Basics<number> & Bounds): Works<ScalarShape<number>> {
  return scalar(basics, {
    type: 'bytes',
    read(text, quoted) {
      const value = (quoted ? undefined : readNumber(text)) ?? readBytes(text)
      if (value === undefined || !Number.isSafeInteger(value)) {
        throw new Misfit('must be a number of bytes such as 4194304 or 4MiB')
      }
      return bounded(value, basics, writeBytes)
    },
    print: writeBytes,
  })
}

/** Quotes a text where YAML would read something else than the text itself. */
export function printText(text: string): string {
  const plain =
    /^[A-Za-z0-9./][A-Za-z0-9._/@+-]*(?::[A-Za-z0-9._/@+-]+)*$/.test(text) && !text.startsWith('...')
  const otherType = readBoolean(text) !== undefined || readNumber(text) !== undefined || isNullText(text)
  return plain && !otherType ? text : JSON.stringify(text)
}

type TextBasics<T> = Omit<Basics<T>, 'default'> & {
  /** Throws {@link Misfit}, or gives the text in its normal form. */
  check?: (text: string) => string
  type?: string
}

/** Text as it stands; empty is the same as absent. */
export function text(basics: TextBasics<string> & { default: string }): Works<ScalarShape<string>>
export function text(basics: TextBasics<string>): Works<ScalarShape<string | undefined>>
export function text(
  basics: TextBasics<string> & { default?: string },
): Works<ScalarShape<string | undefined>> {
  const { check = (value: string) => value, default: value, type = 'text' } = basics
  return scalar<string | undefined>({ ...basics, default: value } as Basics<string | undefined>, {
    type,
    read: (given) => (given === '' ? value : check(given)),
    print: (given) => (given === undefined ? '' : printText(given)),
  })
}

/** One of a few words. With `anyCase`, upper case is taken too, as Distribution does for some. */
export function choice<const W extends string, D extends W | undefined>(
  words: readonly W[],
  basics: Basics<D> & { anyCase?: boolean },
): Works<ScalarShape<D extends undefined ? W | undefined : W>> {
  type Chosen = D extends undefined ? W | undefined : W
  return scalar<Chosen>(basics as unknown as Basics<Chosen>, {
    type: words.map((word) => `\`${word}\``).join(', '),
    read(given) {
      if (given === '') return basics.default as unknown as Chosen
      const word = basics.anyCase ? given.toLowerCase() : given
      if (!words.includes(word as W)) throw new Misfit(`must be one of ${words.join(', ')}`)
      return word as Chosen
    },
    print: (value) => value ?? '',
  })
}

export function section<K extends Record<string, Shape>>(doc: string, keys: K): Works<SectionShape<K>> {
  return { kind: 'section', state: 'works', doc, keys }
}

export function list<I extends Shape>(doc: string, item: I, segment?: string): Works<ListShape<I>> {
  return { kind: 'list', state: 'works', doc, item, segment }
}

export function table<I extends Shape>(
  doc: string,
  item: I,
  { checkKey, secret }: { checkKey?: (key: string) => void; secret?: boolean } = {},
): Works<TableShape<I>> {
  return { kind: 'table', state: 'works', doc, item, secret, ...(checkKey ? { checkKey } : {}) }
}

export function free(doc: string): Works<FreeShape> {
  return { kind: 'free', state: 'works', doc }
}
