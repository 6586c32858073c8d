/** Whether rights hold for every name that a pattern matches, whatever other rules say inside it. */
import { isRepositoryName } from '../../oci/reference.ts'
import { ANY, type Pattern, USER } from './pattern.ts'
import type { Node } from './tree.ts'

/** What may decide a name of which the beginning is known: parts of the tree in the order they are asked in. */
type Alternative<T> =
  | { readonly node: Node<T>; readonly decided?: undefined }
  /** A `**` that matches whatever follows. */
  | { readonly node?: undefined; readonly decided: T }

/** A component that no rule names: no repository is called so. */
const OTHER = Symbol('a component that no rule names')
/** Rules that branch at every component could make this endless; beyond it the answer is no. */
const MOST_STEPS = 100_000

export type EverywhereQuestion<T> = {
  readonly root: Node<T>
  readonly pattern: Pattern
  /** The asker's name; undefined: no person asks. */
  readonly user: string | undefined
  /** Asked of what decides a name; undefined: no pattern matches it. */
  readonly holds: (decided: T | undefined) => boolean
}

/**
 * All names that `pattern` matches, whoever asks (its `{user}` is any name), are walked through in classes: components
 * that some rule names, the asker's own name, and all others, which rules cannot tell apart.
 */
export function holdsEverywhere<T>({ root, pattern, user, holds }: EverywhereQuestion<T>): boolean {
  let steps = 0
  return walk([{ node: root }], 0)

  function walk(alternatives: readonly Alternative<T>[], depth: number): boolean {
    if (++steps > MOST_STEPS) return false
    const { components, hasRest } = pattern
    const isEnd = depth >= components.length
    // A repository has a name of one component at least.
    if (isEnd && depth > 0 && !holds(decidingAtEnd(alternatives))) return false
    if (isEnd && !hasRest) return true
    const [first] = alternatives
    if (isEnd && first?.node === undefined) return holds(first?.decided)
    const component = isEnd ? ANY : (components[depth] as Pattern['components'][number])
    const next = component === ANY || component === USER ? classesOf(alternatives) : [component]
    return [...next].every((part) => walk(step(alternatives, part), depth + 1))
  }

  function classesOf(alternatives: readonly Alternative<T>[]): Set<string | typeof OTHER> {
    const classes = new Set<string | typeof OTHER>([OTHER])
    for (const { node } of alternatives) {
      if (node === undefined) continue
      for (const literal of node.literals.keys()) classes.add(literal)
      if (node.user !== undefined && user !== undefined && isComponent(user)) classes.add(user)
    }
    return classes
  }

  function step(alternatives: readonly Alternative<T>[], part: string | typeof OTHER): Alternative<T>[] {
    const next: Alternative<T>[] = []
    for (const alternative of alternatives) {
      // Whatever follows, this one matches: those behind it are never asked.
      if (alternative.node === undefined) return [...next, alternative]
      const { literals, user: own, any, rest } = alternative.node
      const literal = part === OTHER ? undefined : literals.get(part)
      if (literal !== undefined) next.push({ node: literal })
      if (own !== undefined && part === user) next.push({ node: own })
      if (any !== undefined) next.push({ node: any })
      if (rest !== undefined) return [...next, { decided: rest }]
    }
    return next
  }
}

function decidingAtEnd<T>(alternatives: readonly Alternative<T>[]): T | undefined {
  for (const { node, decided } of alternatives) {
    const found = node === undefined ? decided : (node.here ?? node.rest)
    if (found !== undefined) return found
  }
  return undefined
}

function isComponent(name: string): boolean {
  return !name.includes('/') && isRepositoryName(name)
}
