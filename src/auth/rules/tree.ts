/**
 * Patterns in a tree, by component: the most specific one that matches a name is found by descending, and the number
 * of other patterns does not count.
 */
import { ANY, type Component, type Pattern, USER } from './pattern.ts'

export type Node<T> = {
  readonly literals: Map<string, Node<T>>
  user: Node<T> | undefined
  any: Node<T> | undefined
  /** Of the pattern that ends here. */
  here: T | undefined
  /** Of the pattern that ends here with `**`. */
  rest: T | undefined
}

export function createNode<T>(): Node<T> {
  return { literals: new Map(), user: undefined, any: undefined, here: undefined, rest: undefined }
}

/** @returns false: the pattern is in the tree already, and stays as it is */
export function insertPattern<T>(root: Node<T>, { components, hasRest }: Pattern, value: T): boolean {
  let node = root
  for (const component of components) node = childOf(node, component)
  const place = hasRest ? 'rest' : 'here'
  if (node[place] !== undefined) return false
  node[place] = value
  return true
}

function childOf<T>(node: Node<T>, component: Component): Node<T> {
  if (component === ANY) return (node.any ??= createNode())
  if (component === USER) return (node.user ??= createNode())
  const known = node.literals.get(component)
  if (known !== undefined) return known
  const made = createNode<T>()
  node.literals.set(component, made)
  return made
}

/**
 * Of the patterns that match, the most specific one's value: from the left, a literal before `{user}` before `*`
 * before `**`. Each node is looked at once at most, and only those whose patterns fit the beginning of the name.
 * @param user the asker's name; undefined: no person asks
 * @param visited is told of each node, for tests
 */
export function findMostSpecific<T>(
  root: Node<T>,
  name: string,
  user: string | undefined,
  visited?: () => void,
): T | undefined {
  return descend(root, 0)

  function descend(node: Node<T>, from: number): T | undefined {
    visited?.()
    if (from > name.length) return node.here ?? node.rest
    const slash = name.indexOf('/', from)
    const end = slash < 0 ? name.length : slash
    const part = name.slice(from, end)
    const literal = node.literals.get(part)
    let found = literal && descend(literal, end + 1)
    if (found === undefined && node.user !== undefined && part === user) found = descend(node.user, end + 1)
    if (found === undefined && node.any !== undefined) found = descend(node.any, end + 1)
    return found ?? node.rest
  }
}
