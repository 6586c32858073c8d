/**
 * A configuration as it was written, before the schema gives it meaning: what a file and the environment are merged
 * into. Each node remembers where it was said, so that a mistake can point there.
 */
import { isNullText } from './scalars.ts'

export type Origin =
  | { from: 'default' }
  | { from: 'file'; file: string; line: number }
  | { from: 'variable'; variable: string }
  /** A secret read from the file that a `…_FILE` variable names. */
  | { from: 'secret file'; variable: string; file: string }

type ScalarNode = { kind: 'scalar'; text: string; quoted: boolean; origin: Origin }
export type ListNode = { kind: 'list'; items: Node[]; origin: Origin }
export type MapNode = { kind: 'map'; entries: Map<string, Node>; origin: Origin }
export type Node = ScalarNode | ListNode | MapNode

export const DEFAULT_ORIGIN: Origin = { from: 'default' }

export function nullNode(origin: Origin): ScalarNode {
  return { kind: 'scalar', text: '', quoted: false, origin }
}

export function textNode(text: string, origin: Origin): ScalarNode {
  return { kind: 'scalar', text, quoted: true, origin }
}

export function mapNode(origin: Origin): MapNode {
  return { kind: 'map', entries: new Map(), origin }
}

export function isNull(node: Node | undefined): boolean {
  return node === undefined || (node.kind === 'scalar' && !node.quoted && isNullText(node.text))
}

/** The entry of a map; undefined for what is no map. */
export function entry(node: Node | undefined, key: string): Node | undefined {
  return node?.kind === 'map' ? node.entries.get(key) : undefined
}

/** The key of a map that is written like `key` but for case: how the environment finds it. */
export function matchingKey(node: MapNode, key: string): string | undefined {
  const upper = key.toUpperCase()
  for (const name of node.entries.keys()) if (name.toUpperCase() === upper) return name
  return undefined
}

/** `storage: filesystem` is short for `storage: {filesystem: }`. */
export function scalarAsKey(node: Node): Node {
  if (node.kind !== 'scalar' || isNull(node)) return node
  return { kind: 'map', entries: new Map([[node.text, nullNode(node.origin)]]), origin: node.origin }
}

export function describeOrigin(origin: Origin): string {
  switch (origin.from) {
    case 'default':
      return 'default'
    case 'file':
      return `${origin.file}:${origin.line}`
    case 'variable':
      return `env ${origin.variable}`
    case 'secret file':
      return `${origin.file} (env ${origin.variable})`
  }
}
