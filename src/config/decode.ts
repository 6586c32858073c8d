/** Tree + schema → values with every default filled in; what does not fit, what is not needed, what came from where. */
import { type Mistake, mistakeAt } from './mistakes.ts'
import { nearest } from '../lib/nearest.ts'
import { isNullText, readBoolean, readNumber } from './scalars.ts'
import {
  isInConfig,
  type ListShape,
  Misfit,
  type ScalarShape,
  type SectionShape,
  type Shape,
  type TableShape,
  walkShapes,
} from './shape.ts'
import { DEFAULT_ORIGIN, describeOrigin, isNull, type Node, type Origin, scalarAsKey } from './tree.ts'

export type Findings = {
  mistakes: Mistake[]
  notes: string[]
  warnings: string[]
  /** Where each setting, list and section was said; default where it was not. */
  origins: Map<string, Origin>
}

type Context = Findings & {
  schema: Shape
  /** No configuration file: some defaults differ. */
  bare: boolean
  /** Below what is not needed: one line said so already. */
  quiet: boolean
  /** Below what is secret: no message names a value. */
  hidden: boolean
}

/** Never throws: what is wrong is in `findings.mistakes`, and its place has the default. */
export function decode(
  schema: Shape,
  root: Node,
  { bare }: { bare: boolean },
): { value: unknown; findings: Findings } {
  const findings: Findings = { mistakes: [], notes: [], warnings: [], origins: new Map() }
  const value = decodeShape({ ...findings, schema, bare, quiet: false, hidden: false }, schema, root, '')
  return { value, findings }
}

function decodeShape(context: Context, shape: Shape, node: Node | undefined, path: string): unknown {
  const origin = node?.origin ?? DEFAULT_ORIGIN
  let inner = context
  if (node === undefined && !isInConfig(shape)) inner = { ...inner, quiet: true }
  if (path !== '' && !inner.quiet) context.origins.set(path, origin)
  if (node !== undefined && shape.state === 'refused' && (shape.when?.(node) ?? true)) {
    context.mistakes.push(mistakeAt(origin, path, shape.why ?? 'is not offered'))
    return undefined
  }
  if (shape.state === 'not needed' && !isNull(node)) {
    if (!context.quiet) context.notes.push(`${describeOrigin(origin)}: ${path} is not needed: ${shape.why}`)
    inner = { ...inner, quiet: true }
  }
  if ('secret' in shape && shape.secret) inner = { ...inner, hidden: true }
  switch (shape.kind) {
    case 'section':
      return decodeSection(inner, shape, node, path)
    case 'list':
      return decodeList(inner, shape, node, path)
    case 'table':
      return decodeTable(inner, shape, node, path)
    case 'free':
      return node === undefined ? undefined : freeValue(node)
    case 'scalar':
      return decodeScalar(inner, shape, node, path)
  }
}

function decodeSection(
  context: Context,
  shape: SectionShape,
  given: Node | undefined,
  path: string,
): unknown {
  if (shape.optional && given === undefined) return undefined
  const node = given !== undefined && shape.open ? scalarAsKey(given) : given
  const entries = node?.kind === 'map' ? node.entries : new Map<string, Node>()
  if (node !== undefined && node.kind !== 'map' && !isNull(node)) {
    context.mistakes.push(mistakeAt(node.origin, path, `must hold keys${instead(context, node)}`))
  }
  for (const [key, value] of entries) {
    if (!Object.hasOwn(shape.keys, key)) context.mistakes.push(unknownKey(context, shape, key, value, path))
  }
  const pairs = Object.entries<Shape>(shape.keys).map(([key, child]) => {
    const value = decodeShape(context, child, entries.get(key), path === '' ? key : `${path}.${key}`)
    return isInConfig(child) && value !== undefined ? [[key, value] as const] : []
  })
  return Object.fromEntries(pairs.flat())
}

function unknownKey(context: Context, shape: SectionShape, key: string, value: Node, path: string): Mistake {
  const at = (name: string) => (path === '' ? name : `${path}.${name}`)
  const siblings = Object.keys(shape.keys)
  const near = nearest(key, siblings)
  const hint =
    near === undefined
      ? (elsewhere(context.schema, key, path) ??
        (siblings.length > 0 && siblings.length < 9 && siblings.join(', ')))
      : at(near)
  const found = near !== undefined || typeof hint !== 'string' || hint.includes('.')
  const advice = !hint ? '' : found ? `; did you mean ${hint}?` : `; there are ${hint}`
  return mistakeAt(value.origin, at(key.slice(0, 100)), `there is no such key${advice}`)
}

/** The same key, but in another section: the one that begins most alike. */
function elsewhere(schema: Shape, key: string, path: string): string | undefined {
  const same = [...walkShapes(schema)].map((part) => part.path).filter((other) => other.endsWith(`.${key}`))
  const top = path.split('.')[0] ?? ''
  return same.find((other) => path !== '' && other.startsWith(`${top}.`)) ?? same[0]
}

function decodeList(context: Context, shape: ListShape, node: Node | undefined, path: string): unknown {
  if (node === undefined) return shape.absent ?? []
  if (isNull(node)) {
    if (shape.absent !== undefined) context.mistakes.push(mistakeAt(node.origin, path, noValue(shape)))
    return shape.absent ?? []
  }
  if (node.kind !== 'list') {
    const example =
      node.kind === 'scalar' && node.text.length < 40 && !context.hidden ? `: write [${node.text}]` : ''
    context.mistakes.push(mistakeAt(node.origin, path, `must be a list${instead(context, node)}${example}`))
    return []
  }
  return node.items.map((item, index) => {
    const value = decodeShape(context, shape.item, item, `${path}[${index}]`)
    const empty = shape.item.kind === 'scalar' && item.kind === 'scalar' && (item.text === '' || isNull(item))
    if (empty) context.mistakes.push(mistakeAt(item.origin, `${path}[${index}]`, 'must not be empty'))
    return value
  })
}

function noValue({ absent = [] }: ListShape): string {
  return `has no value: write [] for nothing, or leave the key out, which is [${absent.join(', ')}]`
}

function decodeTable(context: Context, shape: TableShape, node: Node | undefined, path: string): unknown {
  if (node === undefined || isNull(node)) return {}
  if (node.kind !== 'map') {
    context.mistakes.push(mistakeAt(node.origin, path, `must hold keys${instead(context, node)}`))
    return {}
  }
  const pairs = [...node.entries].map(([key, value]) => {
    const childPath = `${path}.${key.slice(0, 100)}`
    attempt(context, value, childPath, () => shape.checkKey?.(key), false)
    return [key, decodeShape(context, shape.item, value, childPath)] as const
  })
  return Object.fromEntries(pairs)
}

function decodeScalar(context: Context, shape: ScalarShape, node: Node | undefined, path: string): unknown {
  const fallback = context.bare && shape.bare !== undefined ? shape.bare : shape.default
  if (node === undefined || isNull(node)) return fallback
  if (node.kind !== 'scalar') {
    const brackets =
      node.kind === 'list' && node.origin.from === 'variable' ? ': put it in quotes in the variable' : ''
    context.mistakes.push(
      mistakeAt(node.origin, path, `must be one value${instead(context, node)}${brackets}`),
    )
    return fallback
  }
  const { text, quoted } = node
  const remark = shape.remark?.(text, quoted)
  if (remark !== undefined && !context.quiet) {
    context.warnings.push(`${describeOrigin(node.origin)}: ${path}: ${remark}`)
  }
  const read = attempt(context, node, path, () => ({ value: shape.read(text, quoted) }))
  return read === undefined ? fallback : read.value
}

function attempt<T>(context: Context, node: Node, path: string, action: () => T, show = true): T | undefined {
  try {
    return action()
  } catch (error) {
    if (!(error instanceof Misfit)) throw error
    context.mistakes.push(mistakeAt(node.origin, path, error.message + (show ? instead(context, node) : '')))
    return undefined
  }
}

function instead({ hidden }: Context, node: Node): string {
  return hidden ? '' : `, not ${describe(node)}`
}

function describe(node: Node): string {
  if (node.kind !== 'scalar') return node.kind === 'list' ? 'a list' : 'a map of keys'
  return node.text.length > 60 ? `"${node.text.slice(0, 57)}…"` : `"${node.text}"`
}

/** What YAML 1.1 makes of a value that no setting gives a type. */
function freeValue(node: Node): unknown {
  switch (node.kind) {
    case 'list':
      return node.items.map(freeValue)
    case 'map':
      return Object.fromEntries([...node.entries].map(([key, value]) => [key, freeValue(value)]))
    case 'scalar':
      if (node.quoted) return node.text
      if (isNullText(node.text)) return null
      return readBoolean(node.text) ?? readNumber(node.text) ?? node.text
  }
}
