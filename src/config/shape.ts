/**
 * What a setting is: the words the schema is written in. From one description come the typed `Config`, the checks,
 * the environment variables and the reference page.
 */
import type { Node } from './tree.ts'

export type State = 'works' | 'not needed' | 'refused'

type Common = {
  /** One line for the reference page. */
  doc: string
  /** What the environment calls it where that is not the key in upper case. */
  segment?: string | undefined
  state: State
  /** Not needed: why. Refused: why, and what to do instead. */
  why?: string | undefined
  /** Refused only when this holds; absent: whenever it is given. */
  when?: ((node: Node) => boolean) | undefined
}

/** One value. `read` throws {@link Misfit} for what does not fit. */
export type ScalarShape<T = unknown> = Common & {
  kind: 'scalar'
  /** The type in words, for the reference page: `boolean`, `duration`, … */
  type: string
  read(text: string, quoted: boolean): T
  /** A warning about what fits but is most likely not what was meant. */
  remark?(text: string, quoted: boolean): string | undefined
  /** YAML that {@link read} reads back to the same value. */
  print(value: T): string
  default: T
  /** The default where there is no configuration file, if it is another one. */
  bare?: T | undefined
  /** May also come from a file by `…_FILE`; is never shown. */
  secret?: boolean | undefined
}

/** Keys that are known by name. */
export type SectionShape<K = Record<string, Shape>> = Common & {
  kind: 'section'
  keys: K
  /** A map in Distribution: the environment can make keys in it that are not known, and these are then mistakes. */
  open?: boolean | undefined
  /** There only when its key is, even with no value: a storage driver. */
  optional?: boolean | undefined
  /** Holds nothing that works here: no part of the `Config`. */
  aside?: boolean | undefined
}

export type ListShape<I = Shape> = Common & {
  kind: 'list'
  item: I
  aside?: boolean | undefined
  /** What an absent key means, where that is not the empty list; the key without a value is then a mistake. */
  absent?: readonly unknown[] | undefined
}
/** Keys of the user's choice. */
export type TableShape<I = Shape> = Common & {
  kind: 'table'
  item: I
  checkKey?(key: string): void
  secret?: boolean | undefined
}
/** Anything at all: text, number, list, map. */
export type FreeShape = Common & { kind: 'free' }

export type Shape =
  ScalarShape<any> | SectionShape<Record<string, any>> | ListShape<any> | TableShape<any> | FreeShape

/** The value a program gets: only settings that work, with every default filled in. */
export type Value<S> =
  S extends SectionShape<infer K>
    ? { readonly [P in keyof K as InConfig<K[P], P>]: SettingValue<K[P]> }
    : S extends ListShape<infer I>
      ? readonly Value<I>[]
      : S extends TableShape<infer I>
        ? Readonly<Record<string, Value<I>>>
        : S extends ScalarShape<infer T>
          ? T
          : unknown
type InConfig<S, P> = S extends { aside: true } ? never : S extends { state: 'works' } ? P : never
type SettingValue<S> = Value<S> | (S extends { optional: true } ? undefined : never)

/** A value that does not fit its setting; `message` continues "the value …". */
export class Misfit extends Error {
  override readonly name = 'Misfit'
}

type As<S, N extends State> = Omit<S, 'state'> & { state: N }

/** Accepted; start-up says in one line why it does nothing here. */
export function notNeeded<S extends Shape>(shape: S, why: string): As<S, 'not needed'> {
  return { ...shape, state: 'not needed', why } as As<S, 'not needed'>
}

/** Stops the start and says what to do instead, when it is given (or when `when` holds). */
export function refused<S extends Shape>(
  shape: S,
  why: string,
  when?: (node: Node) => boolean,
): As<S, 'refused'> {
  return { ...shape, state: 'refused', why, when } as As<S, 'refused'>
}

/** For a section or list whose every setting is refused or not needed. */
export function aside<S extends Shape>(shape: S): S & { aside: true } {
  return { ...shape, aside: true }
}

/** Whether the setting is a part of the `Config`. */
export function isInConfig(shape: Shape): boolean {
  return shape.state === 'works' && !('aside' in shape && shape.aside)
}

/** A part of the schema as the reference page and `nearest` see it. */
export function* walkShapes(
  shape: Shape,
  path = '',
  segments: readonly string[] = [],
): Generator<{ shape: Shape; path: string; variable: string }> {
  yield { shape, path, variable: ['REGISTRY', ...segments].join('_') }
  switch (shape.kind) {
    case 'section':
      for (const [key, child] of Object.entries<Shape>(shape.keys)) {
        yield* walkShapes(child, path === '' ? key : `${path}.${key}`, [...segments, segmentOf(key, child)])
      }
      break
    case 'list':
      if (shape.item.kind !== 'scalar') yield* walkShapes(shape.item, `${path}[0]`, [...segments, '0'])
      break
    case 'scalar':
    case 'table':
    case 'free':
      break
  }
}

export function segmentOf(key: string, shape: Shape): string {
  return shape.segment ?? key.toUpperCase()
}
