/**
 * The language of repository patterns. A pattern is components joined by slashes: a literal, `*` (any one component),
 * `{user}` (the name of the person who asks) and, at the end only, `**` (all the rest, also none).
 */
import { isRepositoryName, MAX_NAME_LENGTH } from '../../oci/reference.ts'

export const ANY = Symbol('*')
export const USER = Symbol('{user}')

/** A literal, or what stands for any one component or for the asker's name. */
export type Component = string | typeof ANY | typeof USER

export type Pattern = {
  /** As it is written; there is one way only. */
  readonly text: string
  readonly components: readonly Component[]
  /** Ends in `**`, which is no part of the components. */
  readonly hasRest: boolean
}

/** What is wrong with a pattern and what to do, as `"…" is no pattern: …` would go on. */
export type PatternProblem = { readonly problem: string }

export function parsePattern(text: string): Pattern | PatternProblem {
  if (text === '') return { problem: 'is empty: write ** for every repository' }
  if (text.length > MAX_NAME_LENGTH)
    return { problem: `has more than ${MAX_NAME_LENGTH} characters, which no repository name has` }
  const parts = text.split('/')
  const hasRest = parts.at(-1) === '**'
  const components: Component[] = []
  for (const [index, part] of (hasRest ? parts.slice(0, -1) : parts).entries()) {
    const component = parseComponent(part, index === 0 || index === parts.length - 1)
    if (typeof component === 'object') return component
    components.push(component)
  }
  return { text, components, hasRest }
}

function parseComponent(part: string, isOuter: boolean): Component | PatternProblem {
  if (part === '*') return ANY
  if (part === '{user}') return USER
  if (isRepositoryName(part)) return part
  return { problem: whyNot(part, isOuter) }
}

function whyNot(part: string, isOuter: boolean): string {
  const shown = JSON.stringify(part.slice(0, 60))
  if (part === '')
    return isOuter
      ? 'begins or ends with a slash: leave it out'
      : 'has an empty component: one of its slashes is too many'
  if (part === '**') return 'has ** before its end: it stands for all the rest; write * for one component'
  if (part.includes('{') || part.includes('}')) return braces(part, shown)
  if (part.includes('*'))
    return `has ${shown}: * stands for a whole component; write * alone, or the name without it`
  if (/^[^:@]+[:@]/.test(part))
    return `has ${shown}: patterns are of repositories, not of tags or digests; leave out what follows the name`
  const lower = part.toLowerCase()
  if (lower !== part && isRepositoryName(lower))
    return `has ${shown}: names of repositories are lower case; write ${lower}`
  return (
    `has ${shown}: a component is lower-case letters and digits, joined by ".", "_", "__" or "-", ` +
    'or it is *, {user} or, at the end, **'
  )
}

function braces(part: string, shown: string): string {
  if (part.includes('{user}'))
    return `has ${shown}: {user} stands for a whole component; write it alone between slashes`
  return `has ${shown}: did you mean {user}? There is nothing else in braces`
}

export function isProblem(found: Pattern | PatternProblem): found is PatternProblem {
  return 'problem' in found
}

/** Whether a component of a name is one of a pattern's. `user`: the asker's name; undefined: no person asks. */
function componentMatches(component: Component, part: string, user: string | undefined): boolean {
  if (component === ANY) return true
  return component === USER ? part === user : part === component
}

export function matchesPattern(
  { components, hasRest }: Pattern,
  parts: readonly string[],
  user: string | undefined,
): boolean {
  if (hasRest ? parts.length < components.length : parts.length !== components.length) return false
  return components.every((component, index) => componentMatches(component, parts[index] as string, user))
}

/** Whether everything that `inner` matches, whoever asks, is matched by `outer` where `user` asks. */
export function coversPattern(outer: Pattern, inner: Pattern, user: string | undefined): boolean {
  if (inner.hasRest && !outer.hasRest) return false
  const { length } = outer.components
  if (outer.hasRest ? inner.components.length < length : inner.components.length !== length) return false
  return outer.components.every((component, index) => {
    const other = inner.components[index] as Component
    if (component === ANY) return true
    // What `{user}` of the inner one is depends on who asks: it may be anything.
    return typeof other === 'string' && componentMatches(component, other, user)
  })
}

const RANK = { literal: 0, [USER]: 1, [ANY]: 2, end: 3, rest: 4 } as const

/** More specific first: from the left, a literal before `{user}` before `*` before `**`; a name's end before `**`. */
export function comparePatterns(a: Pattern, b: Pattern): number {
  const depth = Math.max(a.components.length, b.components.length)
  for (let index = 0; index <= depth; index++) {
    const [left, right] = [rankAt(a, index), rankAt(b, index)]
    if (left !== right) return left - right
    const [one, other] = [a.components[index], b.components[index]]
    if (typeof one === 'string' && typeof other === 'string' && one !== other) return one < other ? -1 : 1
  }
  return 0
}

function rankAt({ components, hasRest }: Pattern, index: number): number {
  const component = components[index]
  if (component === undefined) return index === components.length && hasRest ? RANK.rest : RANK.end
  return typeof component === 'string' ? RANK.literal : RANK[component]
}
