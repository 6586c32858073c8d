/** The rules of the configuration file and those of the database, as one, and as they are now. */
import { readAllRules, type RulesOfMoment } from '../../metadata/access/rules.ts'
import { type AccessVersion, findAccessVersion, recallAccessVersion } from '../../metadata/access/version.ts'
import type { Db } from '../../metadata/database.ts'
import { RegistryError } from '../../oci/error.ts'
import type { Logger } from '../../lib/logger.ts'
import type { Access, AccessNow } from '../access.ts'
import { RULE_ACTIONS } from '../permission.ts'
import {
  assembleRules,
  type CompiledRules,
  createAccessNow,
  makeReady,
  type ReadyRule,
} from './access-now.ts'
import { isProblem, parsePattern } from './pattern.ts'
import type { Allow, FileAccess } from './rule.ts'
import { parseWho } from './who.ts'

/** What was made of the rules, and of which ones. */
type Compiled = { readonly file: FileAccess; readonly rulesVersion: number; readonly rules: CompiledRules }
type Known = { readonly version: number; readonly compiled: Compiled; readonly now: AccessNow }

/**
 * @param file what the configuration says now: the same object for as long as it says the same. Where it has a rule for
 * a pattern, that one holds and the database's does not.
 */
export function createAccess({
  db,
  file,
  log,
}: {
  db: Pick<Db, 'read' | 'cached' | 'recall' | 'changes'>
  file: () => FileAccess
  log: Pick<Logger, 'error'>
}): Access {
  let known: Known | undefined
  /** When {@link Known} was last seen to be what the database says. */
  let knownAt = -1
  let latest: Compiled | undefined
  const read = createSharedReader(db)
  const readyRows = createReadyRows(log)
  const readyOfFile = createReadyFile()

  async function compiledFor(version: AccessVersion): Promise<Compiled> {
    const isFresh = ({ file: of, rulesVersion }: Compiled): boolean =>
      of === file() && rulesVersion >= version.rules
    if (latest !== undefined && isFresh(latest)) return latest
    let found: RulesOfMoment
    do found = await read()
    while (found.version < version.rules)
    // Another one that waited for the same reading was first.
    if (latest !== undefined && isFresh(latest)) return latest
    const from = file()
    const all = [...readyOfFile(from), ...readyRows(found.rules)]
    const rules = assembleRules({ rules: all, defaults: from.defaults })
    latest = { file: from, rulesVersion: found.version, rules }
    return latest
  }

  async function load(): Promise<AccessNow> {
    const version = await findAccessVersion(db)
    const compiled = await compiledFor(version)
    if (known?.version === version.version && known.compiled === compiled) return known.now
    const now = createAccessNow(compiled.rules)
    // A slow one must not put an older state in the place of a newer one.
    if (known === undefined || known.version <= version.version)
      known = { version: version.version, compiled, now }
    return now
  }

  return {
    current() {
      const changes = db.changes()
      if (known !== undefined && changes === knownAt && known.compiled.file === file()) return known.now
      const version = recallAccessVersion(db)
      if (version === undefined || known?.version !== version.version) return load()
      knownAt = changes
      return known.compiled.file === file() ? known.now : load()
    },
  }
}

/** Several that ask at once share one reading; who needs newer rules than it gives asks again. */
function createSharedReader(db: Pick<Db, 'read'>): () => Promise<RulesOfMoment> {
  let reading: Promise<RulesOfMoment> | undefined
  return () => {
    reading ??= readAllRules(db).finally(() => {
      reading = undefined
    })
    return reading
  }
}

/** Rules of the file are made ready once, however often those of the database change. */
function createReadyFile(): (file: FileAccess) => readonly ReadyRule[] {
  const known = new WeakMap<FileAccess, readonly ReadyRule[]>()
  return (file) => {
    const before = known.get(file)
    if (before !== undefined) return before
    const made = file.rules.map(makeReady)
    known.set(file, made)
    return made
  }
}

/**
 * Makes rows of the database ready; those that are as they were are not made again.
 * @throws RegistryError UNAVAILABLE: a pattern is not understood. It may forbid something, so nothing is decided
 * without it
 */
function createReadyRows(log: Pick<Logger, 'error'>): (rows: RulesOfMoment['rules']) => readonly ReadyRule[] {
  let known = new Map<string, { readonly allowText: string; readonly ready: ReadyRule }>()
  return (rows) => {
    const now: typeof known = new Map()
    for (const { pattern, allowText } of rows) {
      const before = known.get(pattern)
      const isSame = before !== undefined && before.allowText === allowText
      now.set(pattern, isSame ? before : { allowText, ready: readyOf(pattern, allowText, log) })
    }
    known = now
    return [...now.values()].map(({ ready }) => ready)
  }
}

function readyOf(pattern: string, allowText: string, log: Pick<Logger, 'error'>): ReadyRule {
  const parsed = parsePattern(pattern)
  if (isProblem(parsed)) {
    log.error(
      `a rule of the database has a pattern that cannot be read, and nobody is let in until it is gone: ` +
        `${JSON.stringify(pattern)} ${parsed.problem}. "berth access remove" removes it`,
    )
    throw new RegistryError(
      'UNAVAILABLE',
      'the access rules cannot be read: the log of the registry says which one',
    )
  }
  return makeReady({ pattern, allow: understood(allowText), source: 'database' })
}

/** Written by hand, or by a newer version: an entry that is not understood gives nothing. */
function understood(allowText: string): Allow {
  const entries = Object.entries(JSON.parse(allowText) as Record<string, unknown>).flatMap(
    ([who, actions]) => {
      if ('problem' in parseWho(who) || !Array.isArray(actions)) return []
      return [[who, RULE_ACTIONS.filter((action) => actions.includes(action))]] as const
    },
  )
  return Object.fromEntries(entries)
}
