/**
 * The environment over the file, by Distribution's rule: `REGISTRY_HTTP_TLS_KEY` is `http.tls.key`; names in
 * sorted order, so that `REGISTRY_STORAGE` comes before what goes into it; values are YAML; list items by index, at
 * most one past the end; keys of a map matched whatever their case, new ones in lower case. Differences, all of them
 * things that Distribution ignores or ends with a panic: parts of `storage.maintenance` can be set, a list item can
 * be set as a whole, a map's key is replaced whatever its case.
 */
import { nearest } from '../lib/nearest.ts'
import { type Mistake, mistakeAt } from './mistakes.ts'
import { readYaml } from './read-yaml.ts'
import { type Shape, segmentOf, walkShapes } from './shape.ts'
import {
  isNull,
  type ListNode,
  mapNode,
  type MapNode,
  matchingKey,
  type Node,
  nullNode,
  type Origin,
  scalarAsKey,
  textNode,
} from './tree.ts'

const PREFIX = 'REGISTRY_'

/** What Kubernetes and Docker put into a container's environment for a Service whose name begins with "registry". */
const SERVICE_LINK =
  /(?:_SERVICE_HOST|_SERVICE_PORT(?:_[A-Z0-9_]+)?|_PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)$/
const SERVICE_URL = /^(?:tcp|udp|sctp):\/\//

/** Variables of other programs that look like ours. */
const STRANGERS: Record<string, string> = {
  REGISTRY_AUTH_FILE: 'belongs to podman, buildah and skopeo; it changes nothing here',
}

export type Environment = Readonly<Record<string, string | undefined>>

type Step = { shape: Shape; key: string }

/** Puts every `REGISTRY_*` variable into `root`. */
export function applyEnvironment({
  root,
  shape,
  env,
  readFile,
}: {
  root: MapNode
  shape: Shape
  env: Environment
  readFile: (path: string) => string
}): { mistakes: Mistake[]; warnings: string[] } {
  const mistakes: Mistake[] = []
  const warnings: string[] = []
  const links: string[] = []
  const names = Object.keys(env).filter(
    (name) => name.startsWith(PREFIX) && name !== 'REGISTRY_CONFIGURATION_PATH',
  )
  for (const name of names.sort()) {
    const value = env[name] ?? ''
    const stranger = STRANGERS[name]
    if (SERVICE_LINK.test(name) || (name.endsWith('_PORT') && SERVICE_URL.test(value))) links.push(name)
    else if (stranger !== undefined) warnings.push(`${name}: ${stranger}`)
    else {
      const found = valueOf({ name, value, shape, env, readFile })
      if ('warning' in found) warnings.push(found.warning)
      else if ('mistakes' in found) mistakes.push(...found.mistakes)
      else mistakes.push(...put(root, shape, found.steps, found.node))
    }
  }
  if (links.length > 0) {
    warnings.push(
      `${links.slice(0, 3).join(', ')}${links.length > 3 ? ` and ${links.length - 3} more` : ''}: set by Kubernetes ` +
        'for a Service called registry; ignored (enableServiceLinks: false in the pod keeps them out)',
    )
  }
  return { mistakes, warnings }
}

type Found = { steps: Step[]; node: Node } | { mistakes: Mistake[] } | { warning: string }

function valueOf({
  name,
  value,
  shape,
  env,
  readFile,
}: {
  name: string
  value: string
  shape: Shape
  env: Environment
  readFile: (path: string) => string
}): Found {
  const segments = name.slice(PREFIX.length).split('_')
  const steps = resolve(shape, segments)
  if (steps !== undefined) {
    const parsed = parseValue(name, value)
    const path = pathOf(steps)
    if (parsed.mistakes.length === 0) return { steps, node: parsed.node }
    return { mistakes: parsed.mistakes.map((mistake) => ({ ...mistake, path: join(path, mistake.path) })) }
  }
  const secret = segments.at(-1) === 'FILE' ? resolve(shape, segments.slice(0, -1)) : undefined
  const target = secret?.at(-1)?.shape
  if (secret === undefined || target?.kind !== 'scalar') return unknownVariable(name, shape)
  if (!target.secret) return { warning: `${name}: ignored; …_FILE works for secrets only` }
  return secretFromFile({ name, file: value, steps: secret, env, readFile })
}

function secretFromFile({
  name,
  file,
  steps,
  env,
  readFile,
}: {
  name: string
  file: string
  steps: Step[]
  env: Environment
  readFile: (path: string) => string
}): Found {
  const path = pathOf(steps)
  const direct = name.slice(0, -'_FILE'.length)
  const wrong = (message: string): Found => ({
    mistakes: [mistakeAt({ from: 'variable', variable: name }, path, message)],
  })
  if (env[direct]) return wrong(`is set by ${direct} too: keep one of the two`)
  if (file === '') return { steps, node: nullNode({ from: 'variable', variable: name }) }
  try {
    const secret = readFile(file).replace(/\r?\n$/, '')
    return { steps, node: textNode(secret, { from: 'secret file', variable: name, file }) }
  } catch (error) {
    return wrong(`cannot read ${file}: ${reasonOf(error)}`)
  }
}

/** Why a file could not be read, without the path, which the reader knows. */
export function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const known: Record<string, string> = {
    ENOENT: 'there is no such file',
    EACCES: 'this user may not read it',
    EISDIR: 'it is a folder',
    ENOTDIR: 'a part of its path is no folder',
  }
  return known[code] ?? (code || 'it cannot be read')
}

/** What needs no YAML parser to be read: words, numbers, paths, addresses. */
const SIMPLE = /^(?:[A-Za-z0-9/]|\.[A-Za-z0-9/])[A-Za-z0-9._/@+=~-]*(?::[A-Za-z0-9._/@+=~-]+)*$|^:[0-9]+$/

function parseValue(variable: string, value: string): { node: Node; mistakes: Mistake[] } {
  const origin: Origin = { from: 'variable', variable }
  if (value === '') return { node: nullNode(origin), mistakes: [] }
  if (SIMPLE.test(value))
    return { node: { kind: 'scalar', text: value, quoted: false, origin }, mistakes: [] }
  return readYaml(value, { variable })
}

/** The way from the root to the setting that the segments name; undefined: there is none. */
function resolve(root: Shape, segments: readonly string[]): Step[] | undefined {
  const steps: Step[] = []
  let shape = root
  for (const segment of segments) {
    const step = child(shape, segment)
    if (step === undefined) return undefined
    steps.push(step)
    shape = step.shape
  }
  return steps
}

const UNKNOWN: Shape = { kind: 'free', doc: '', state: 'works' }

function child(shape: Shape, segment: string): Step | undefined {
  switch (shape.kind) {
    case 'section': {
      const key = Object.keys(shape.keys).find((name) => segmentOf(name, shape.keys[name]) === segment)
      if (key !== undefined) return { shape: shape.keys[key], key }
      return shape.open ? { shape: UNKNOWN, key: segment.toLowerCase() } : undefined
    }
    case 'list':
      return /^[0-9]{1,4}$/.test(segment) ? { shape: shape.item, key: segment } : undefined
    case 'table':
      return { shape: shape.item, key: segment }
    case 'free':
      return { shape: UNKNOWN, key: segment }
    case 'scalar':
      return undefined
  }
}

function pathOf(steps: readonly Step[]): string {
  return steps.reduce((path, { key }) => join(path, /^[0-9]+$/.test(key) ? `[${Number(key)}]` : key), '')
}

function join(path: string, key: string): string {
  if (path === '' || key === '') return path || key
  return key.startsWith('[') ? path + key : `${path}.${key}`
}

/** Sets `value` at the end of `steps`, making what is missing on the way. */
function put(root: MapNode, rootShape: Shape, steps: readonly Step[], value: Node): Mistake[] {
  let node: MapNode | ListNode = root
  let shape = rootShape
  for (const [index, step] of steps.entries()) {
    const slot = slotOf(node, shape, step.key)
    if (slot === undefined) {
      const next = node.kind === 'list' ? node.items.length : 0
      return [
        mistakeAt(value.origin, pathOf(steps), `has no entry ${Number(step.key)} yet: the next is ${next}`),
      ]
    }
    if (index === steps.length - 1) {
      slot.set(value)
      return []
    }
    const kept = slot.get()
    const open =
      kept !== undefined && step.shape.kind === 'section' && step.shape.open ? scalarAsKey(kept) : kept
    const inner = open === undefined || isNull(open) ? emptyFor(step.shape, value.origin) : open
    // What stands there cannot hold anything: it is a mistake of its own.
    if (inner.kind === 'scalar') return []
    slot.set(inner)
    node = inner
    shape = step.shape
  }
  return []
}

function emptyFor(shape: Shape, origin: Origin): MapNode | ListNode {
  return shape.kind === 'list' ? { kind: 'list', items: [], origin } : mapNode(origin)
}

type Slot = { get(): Node | undefined; set(node: Node): void }

function slotOf(node: MapNode | ListNode, shape: Shape, key: string): Slot | undefined {
  if (node.kind === 'list') {
    const index = Number(key)
    if (!(index <= node.items.length)) return undefined
    return { get: () => node.items[index], set: (value) => void (node.items[index] = value) }
  }
  const name = shape.kind === 'section' && !shape.open ? key : (matchingKey(node, key) ?? key.toLowerCase())
  return { get: () => node.entries.get(name), set: (value) => void node.entries.set(name, value) }
}

/** What is written nearly like a setting of who may come in is never ignored: the door would be open. */
const OF_ACCESS = /^(?:AUTH|ACCESS)(?:_|$)/

function unknownVariable(name: string, schema: Shape): Found {
  const bare = name.slice(PREFIX.length)
  const settings = [...walkShapes(schema)].filter(({ path }) => path !== '')
  // The key of the file in upper case, where the environment's name is another one.
  const byKey = settings.find(
    ({ path }) => path.toUpperCase().replaceAll(/[.[]/g, '_').replaceAll(']', '') === bare,
  )
  const near =
    byKey?.variable.slice(PREFIX.length) ??
    nearest(
      bare,
      settings.map(({ variable }) => variable.slice(PREFIX.length)),
    )
  const hint = near === undefined ? '' : `; did you mean ${PREFIX}${near}?`
  if (near === undefined || !OF_ACCESS.test(near))
    return { warning: `${name}: there is no such setting, ignored${hint}` }
  const origin: Origin = { from: 'variable', variable: name }
  return { mistakes: [mistakeAt(origin, '', `there is no such setting${hint}`)] }
}
