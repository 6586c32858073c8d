/** The rules of the configuration file and those of the database, as one, and as they are now. */
import { readAllRules, type RulesOfMoment } from '../../metadata/access/rules.ts'
import { type AccessVersion, findAccessVersion, recallAccessVersion } from '../../metadata/access/version.ts'
import type { Db } from '../../metadata/database.ts'
import { RegistryError } from '../../oci/error.ts'
import type { Logger } from '../../lib/logger.ts'
import type { Access, AccessNow } from '../access.ts'
import { RULE_ACTIONS, type RuleAction } from '../permission.ts'
import { compileRules, createAccessNow, type CompiledRules } from './access-now.ts'
import { isProblem, parsePattern } from './pattern.ts'
import type { Allow, FileAccess, Rule } from './rule.ts'
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
  db: Pick<Db, 'read' | 'cached' | 'recall'>
  file: () => FileAccess
  log: Pick<Logger, 'error'>
}): Access {
  let known: Known | undefined
  let latest: Compiled | undefined
  let reading: Promise<RulesOfMoment> | undefined

  /** Several that ask at once share one reading; who needs newer rules than it gives asks again. */
  function readShared(): Promise<RulesOfMoment> {
    reading ??= readAllRules(db).finally(() => {
      reading = undefined
    })
    return reading
  }

  async function compiledFor(version: AccessVersion): Promise<Compiled> {
    const isFresh = ({ file: of, rulesVersion }: Compiled): boolean =>
      of === file() && rulesVersion >= version.rules
    if (latest !== undefined && isFresh(latest)) return latest
    let found: RulesOfMoment
    do found = await readShared()
    while (found.version < version.rules)
    // Another one that waited for the same reading was first.
    if (latest !== undefined && isFresh(latest)) return latest
    const from = file()
    const all = [...from.rules, ...found.rules.map((row) => ruleOf(row, log))]
    const rules = compileRules({ rules: all, defaults: from.defaults })
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
      const version = recallAccessVersion(db)
      if (version === undefined || known?.version !== version.version) return load()
      return known.compiled.file === file() ? known.now : load()
    },
  }
}

/**
 * A row as the registry may have found it: written by hand, or by a newer version. An entry that is not understood
 * gives nothing; a pattern that is not understood may forbid something, so nothing is decided without it.
 * @throws RegistryError UNAVAILABLE
 */
function ruleOf({ pattern, allow }: RulesOfMoment['rules'][number], log: Pick<Logger, 'error'>): Rule {
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
  return { pattern, allow: understood(allow), source: 'database' }
}

function understood(allow: RulesOfMoment['rules'][number]['allow']): Allow {
  const entries = Object.entries(allow).flatMap(([who, actions]) => {
    if ('problem' in parseWho(who) || !Array.isArray(actions)) return []
    return [
      [who, actions.filter((action): action is RuleAction => RULE_ACTIONS.some((one) => one === action))],
    ] as const
  })
  return Object.fromEntries(entries)
}
