/**
 * YAML text → tree. Only the shape is taken from the parser; what a plain scalar means depends on the setting it is
 * for (`scalars.ts`), as in Distribution. Differences from Distribution: a key that stands twice and a second
 * document are mistakes, there the last key or the first document wins silently.
 */
import { createRequire } from 'node:module'
import type { Alias, Document, LineCounter, Node as YamlNode, Pair, Scalar, YAMLMap, YAMLSeq } from 'yaml'
import { type Mistake, mistakeAt } from './mistakes.ts'
import { type Node, nullNode, type Origin } from './tree.ts'

const MAX_TEXT = 8 * 1024 * 1024
const MAX_DEPTH = 64
const MAX_NODES = 500_000
const MAX_ALIASES = 1000
const PLAIN_TAGS = new Set(
  ['bool', 'int', 'float', 'null', 'timestamp'].map((name) => `tag:yaml.org,2002:${name}`),
)
const KNOWN_TAGS = new Set([
  ...PLAIN_TAGS,
  ...['str', 'seq', 'map'].map((name) => `tag:yaml.org,2002:${name}`),
])
const MERGE = Symbol('merge')

type Yaml = typeof import('yaml')
type Reader = {
  yaml: Yaml
  document: Document.Parsed
  originOf(node: YamlNode | null | undefined, around: Origin): Origin
  fail(origin: Origin, path: string, message: string): void
  nodes: number
  aliases: number
  stopped: boolean
}

/** Reads nothing but text; `where` tells what a position means: a line of a file, or a variable. */
export function readYaml(
  text: string,
  where: { file: string } | { variable: string },
): { node: Node; mistakes: Mistake[] } {
  const top: Origin =
    'file' in where
      ? { from: 'file', file: where.file, line: 1 }
      : { from: 'variable', variable: where.variable }
  const failed = (message: string, origin = top) => ({
    node: nullNode(top),
    mistakes: [mistakeAt(origin, '', message)],
  })
  if (text.length > MAX_TEXT) return failed('too long: a configuration has at most 8 MiB')
  // Loaded here and not above: a start without a file need not pay for it.
  const yaml: Yaml = createRequire(import.meta.url)('yaml')
  const lines = new yaml.LineCounter()
  try {
    return readDocument({ yaml, text, top, lines })
  } catch (error) {
    // The parser recurses; a text that nests thousands deep ends here.
    if (error instanceof RangeError) return failed('nests too deeply')
    throw error
  }
}

function readDocument({
  yaml,
  text,
  top,
  lines,
}: {
  yaml: Yaml
  text: string
  top: Origin
  lines: LineCounter
}) {
  const document = yaml.parseDocument(text, {
    version: '1.1',
    schema: 'failsafe',
    strict: false,
    uniqueKeys: false,
    prettyErrors: false,
    // Not silent: that would take a second document without a word.
    logLevel: 'error',
    lineCounter: lines,
  })
  const mistakes: Mistake[] = []
  const lineAt = (offset: number): Origin =>
    top.from === 'file' ? { ...top, line: Math.max(1, lines.linePos(offset).line) } : top
  for (const error of document.errors) {
    // The parser's messages may quote the text, and a variable may hold a secret.
    const message = top.from === 'file' ? `is not YAML: ${firstLine(error.message)}` : notYaml
    mistakes.push(mistakeAt(lineAt(error.pos[0]), '', message))
    // What a variable holds is one line: the same would be said again.
    if (top.from === 'variable') break
  }
  if (mistakes.length > 0) return { node: nullNode(top), mistakes: mistakes.slice(0, 10) }
  const reader: Reader = {
    yaml,
    document,
    nodes: 0,
    aliases: 0,
    stopped: false,
    originOf: (node, around) => (node?.range ? lineAt(node.range[0]) : around),
    fail: (origin, path, message) => mistakes.push(mistakeAt(origin, path, message)),
  }
  return { node: convert(reader, document.contents, { origin: top, path: '', depth: 0 }), mistakes }
}

const notYaml = 'the value is not YAML: put it in quotes inside the variable, as in \'"[::]:5000"\''

function firstLine(message: string): string {
  return (message.split('\n', 1)[0] ?? '').slice(0, 200)
}

type Place = { origin: Origin; path: string; depth: number }

function convert(reader: Reader, node: YamlNode | null, place: Place): Node {
  const { yaml, document } = reader
  const { origin, path, depth } = place
  if (reader.stopped) return nullNode(origin)
  if (depth > MAX_DEPTH || ++reader.nodes > MAX_NODES) {
    // An alias that holds itself, or many that multiply, end here.
    reader.stopped = true
    reader.fail(origin, path, depth > MAX_DEPTH ? 'nests too deeply' : 'too many values')
    return nullNode(origin)
  }
  if (node === null) return nullNode(origin)
  if (yaml.isAlias(node)) {
    const target = ++reader.aliases > MAX_ALIASES ? undefined : (node as Alias).resolve(document)
    if (reader.aliases > MAX_ALIASES) reader.fail(origin, path, 'too many references')
    else if (target === undefined) reader.fail(origin, path, 'refers to an anchor that is not there')
    return convert(reader, target ?? null, { origin, path, depth: depth + 1 })
  }
  if (node.tag !== undefined && !KNOWN_TAGS.has(node.tag)) {
    reader.fail(origin, path, `the tag ${node.tag.slice(0, 80)} is not known here: leave it out`)
  }
  if (yaml.isSeq(node)) return convertList(reader, node as YAMLSeq, place)
  if (yaml.isMap(node)) return convertMap(reader, node as YAMLMap, place)
  return convertScalar(node as Scalar, origin)
}

function convertScalar(node: Scalar, origin: Origin): Node {
  const plain = node.type === 'PLAIN' && node.tag !== 'tag:yaml.org,2002:str'
  const quoted = !plain && !(node.tag !== undefined && PLAIN_TAGS.has(node.tag))
  return { kind: 'scalar', text: textOf(node), quoted, origin }
}

function convertList(reader: Reader, node: YAMLSeq, { origin, path, depth }: Place): Node {
  const items = node.items.map((item, index) => {
    const child = item as YamlNode | null
    const at = { origin: reader.originOf(child, origin), path: `${path}[${index}]`, depth: depth + 1 }
    return convert(reader, child, at)
  })
  return { kind: 'list', items, origin }
}

function convertMap(reader: Reader, node: YAMLMap, { origin, path, depth }: Place): Node {
  const entries = new Map<string, Node>()
  const merged: Node[] = []
  for (const pair of node.items as Pair<YamlNode | null, YamlNode | null>[]) {
    const at = reader.originOf(pair.key, origin)
    const key = keyOf(reader, pair.key)
    if (key === undefined) {
      reader.fail(at, path, 'a key must be a word')
      continue
    }
    const name = key === MERGE ? '<<' : key
    const childPath = path === '' ? name : `${path}.${name}`
    const value = convert(reader, pair.value, { origin: at, path: childPath, depth: depth + 1 })
    if (key === MERGE) {
      merged.push(...(value.kind === 'list' ? value.items : [value]))
    } else if (entries.has(name)) {
      reader.fail(at, childPath, 'stands here a second time: keep one')
    } else {
      entries.set(name, value)
    }
  }
  // https://yaml.org/type/merge.html: a key of one's own wins, then the earlier map.
  for (const map of merged) {
    if (map.kind !== 'map') reader.fail(map.origin, path, 'only a map can be merged with <<')
    else for (const [name, value] of map.entries) if (!entries.has(name)) entries.set(name, value)
  }
  return { kind: 'map', entries, origin }
}

function keyOf(reader: Reader, key: YamlNode | null): string | typeof MERGE | undefined {
  const target = reader.yaml.isAlias(key) ? key.resolve(reader.document) : key
  if (!reader.yaml.isScalar(target)) return undefined
  const text = textOf(target)
  return text === '<<' && target.type === 'PLAIN' ? MERGE : text
}

/** In the failsafe schema every scalar is a string, but for what is not there at all. */
function textOf({ value }: Scalar): string {
  return typeof value === 'string' ? value : ''
}
