/**
 * File + environment → one frozen {@link Config}, or every mistake at once. The rules are Distribution's
 * (`configuration.md` in the docs tells the differences).
 */
import { readFileSync } from 'node:fs'
import { warnOfAccess } from './checks-access.ts'
import { crossCheck, settleValidation } from './cross-checks.ts'
import { decode } from './decode.ts'
import { applyEnvironment, type Environment, reasonOf } from './environment.ts'
import { ConfigError, type Mistake, mistakeAt } from './mistakes.ts'
import { readYaml } from './read-yaml.ts'
import { type Config, schema } from './schema.ts'
import { DRIVERS } from './schema-storage.ts'
import {
  DEFAULT_ORIGIN,
  describeOrigin,
  entry,
  isNull,
  mapNode,
  type MapNode,
  nullNode,
  type Origin,
  scalarAsKey,
} from './tree.ts'

export type LoadedConfig = {
  /** Frozen through and through. */
  config: Config
  /** The file that was read, as it was named; absent: there is none, and the defaults for that case hold. */
  file?: string
  /** One line for each key that was given and that Berth does not need: what, and why. */
  notes: string[]
  /** One line for each variable that changes nothing, and each value that is likely not what was meant. */
  warnings: string[]
  /** Each setting by its path, and where its value was said: `default`, `config.yml:7`, `env REGISTRY_HTTP_ADDR`. */
  sources: Readonly<Record<string, string>>
}

/** Where the images of Distribution 3 and 2 have their file; each stands for the other. */
const STOCK_PATHS = ['/etc/distribution/config.yml', '/etc/docker/registry/config.yml'] as const

/**
 * `path` is the command line's; without it REGISTRY_CONFIGURATION_PATH; without that there is no file, the data lies
 * in `./data` and deletes are on. The environment holds in every case. Reads the file and what `…_FILE` variables
 * name, nothing else.
 *
 * @throws ConfigError with all mistakes of the file and the environment
 */
export function loadConfig({
  path,
  env,
  readFile = (name) => readFileSync(name, 'utf8'),
}: {
  path?: string | undefined
  env: Environment
  readFile?: (path: string) => string
}): LoadedConfig {
  const { root, file, mistakes } = readConfigFile(
    path ?? (env['REGISTRY_CONFIGURATION_PATH'] || undefined),
    readFile,
  )
  if (root === undefined) throw new ConfigError(mistakes)
  const applied = applyEnvironment({ root, shape: schema, env, readFile })
  const remarks = settleTree(root, file)
  const { value, findings } = decode(schema, root, { bare: file === undefined })
  const { origins } = findings
  // Every place holds its default where something is wrong, so that the checks across settings can go on. What is
  // wrong already is not said a second time.
  const config = settleValidation(value as Config)
  const before = [...applied.mistakes, ...findings.mistakes]
  const cross = crossCheck({ config, root, origins }).filter(
    ({ path: at }) => !before.some((m) => m.path === at),
  )
  const all = [...mistakes, ...before, ...cross]
  if (all.length > 0) throw new ConfigError(inOrder(all))
  return {
    config: freeze(config),
    ...(file === undefined ? {} : { file }),
    notes: [...remarks, ...findings.notes],
    warnings: [...applied.warnings, ...findings.warnings, ...warnOfAccess({ config, origins })],
    sources: Object.fromEntries([...origins].map(([key, origin]) => [key, describeOrigin(origin)])),
  }
}

type ReadFile = { root?: MapNode; file?: string; mistakes: Mistake[] }

function readConfigFile(path: string | undefined, readFile: (path: string) => string): ReadFile {
  if (path === undefined) return { root: mapNode(DEFAULT_ORIGIN), mistakes: [] }
  const other = STOCK_PATHS.find((stock) => stock !== path)
  const isStock = STOCK_PATHS.some((stock) => stock === path)
  let failure: unknown
  for (const file of isStock && other !== undefined ? [path, other] : [path]) {
    let text: string
    try {
      text = readFile(file)
    } catch (error) {
      failure ??= error
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') continue
      break
    }
    return readText(text, file)
  }
  return {
    mistakes: [{ file: path, path: '', message: `cannot be read: ${reasonOf(failure)}${hint(failure)}` }],
  }
}

/** What most often is behind it in a container. */
function hint(failure: unknown): string {
  const code = failure instanceof Error && 'code' in failure ? failure.code : undefined
  if (code === 'EISDIR')
    return ', not a file. Engines make one where the file of a -v is not there on the host: remove that folder and put the file in its place'
  return code === 'EACCES' ? ` (${process.geteuid?.() ?? 'its number is not known'}): chmod a+r` : ''
}

function readText(text: string, file: string): ReadFile {
  const { node, mistakes } = readYaml(text, { file })
  const origin: Origin = { from: 'file', file, line: 1 }
  const root = isNull(node) ? mapNode(origin) : node
  if (root.kind !== 'map') {
    return { mistakes: [mistakeAt(origin, '', 'is no configuration: it must hold keys, as "version: 0.1"')] }
  }
  if (mistakes.length > 0 && root.entries.size === 0) return { mistakes }
  if (isNull(root.entries.get('version'))) {
    mistakes.push(mistakeAt(origin, 'version', 'must be set: begin the file with "version: 0.1"'))
  }
  return { root, file, mistakes }
}

/** Old names go to their new ones, and a start without a file gets its driver. Gives notes. */
function settleTree(root: MapNode, file: string | undefined): string[] {
  const notes: string[] = []
  const old = root.entries.get('loglevel')
  if (old !== undefined && isNull(entry(root.entries.get('log'), 'level'))) {
    const log = root.entries.get('log')
    const target = log === undefined || isNull(log) ? mapNode(old.origin) : log
    if (target.kind === 'map') {
      target.entries.set('level', old)
      root.entries.set('log', target)
      root.entries.delete('loglevel')
      if (!isNull(old)) notes.push(`${describeOrigin(old.origin)}: loglevel is the old name of log.level`)
    }
  }
  if (file === undefined) {
    const given = root.entries.get('storage')
    const storage = given === undefined || isNull(given) ? mapNode(DEFAULT_ORIGIN) : scalarAsKey(given)
    if (storage.kind === 'map' && !DRIVERS.some((driver) => storage.entries.has(driver))) {
      storage.entries.set('filesystem', nullNode(DEFAULT_ORIGIN))
    }
    root.entries.set('storage', storage)
  }
  return notes
}

/** By file and line, then what the environment says, then the rest. */
function inOrder(mistakes: Mistake[]): Mistake[] {
  const rank = ({ line, variable }: Mistake) =>
    line ?? (variable === undefined ? Infinity : Number.MAX_SAFE_INTEGER)
  return mistakes.toSorted(
    (a, b) => rank(a) - rank(b) || (a.variable ?? '').localeCompare(b.variable ?? '') || 0,
  )
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const inner of Object.values(value)) freeze(inner)
  }
  return value
}
