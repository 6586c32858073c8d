/** What the commands on rules share: the configuration with its lines, and the data. */
import { fileAccessOf } from '../auth/rules/file-access.ts'
import { type FileAccess, type Rule, SIGNED_IN_MAY_ALL } from '../auth/rules/rule.ts'
import type { LoadedConfig } from '../config/load.ts'
import { listRules, type RuleRow } from '../metadata/access/rules.ts'
import { openData, type OpenedData } from '../storage.ts'
import { readVersion } from '../version.ts'
import type { Io } from './command.ts'
import { load, warningsTo, withOpened } from './with-data.ts'

export type Rules = { loaded: LoadedConfig; data: OpenedData; signal: AbortSignal }

/** As `withData`, with where each setting stands. */
export async function withRules(
  io: Io,
  configPath: string | undefined,
  work: (rules: Rules) => Promise<number>,
): Promise<number> {
  const loaded = load(io, configPath)
  if (loaded === undefined) return 1
  const { config } = loaded
  return withOpened(
    io,
    () => openData({ config, version: readVersion(), log: warningsTo(io) }),
    (data, signal) => work({ loaded, data, signal }),
  )
}

export function isAccessOn({ config: { access } }: LoadedConfig): boolean {
  return access !== undefined && access.enabled
}

/** What the file says of access; where it has none, as an empty `access` says. */
export function accessInFile({ config, sources }: LoadedConfig): FileAccess {
  if (config.access !== undefined) return fileAccessOf(config.access, sources)
  return { rules: [], defaults: SIGNED_IN_MAY_ALL, groups: new Map(), administrators: new Set() }
}

export function ruleOfFile(loaded: LoadedConfig, pattern: string): Rule | undefined {
  return accessInFile(loaded).rules.find((rule) => rule.pattern === pattern)
}

const PAGE = 500

/** All rules of the database. */
export async function rulesOfDatabase({ data, signal }: Pick<Rules, 'data' | 'signal'>): Promise<RuleRow[]> {
  const all: RuleRow[] = []
  for (;;) {
    const page = await listRules(data.metadata.db, all.at(-1)?.pattern ?? '', PAGE)
    all.push(...page)
    if (page.length < PAGE || signal.aborted) return all
  }
}
