/** A rule as it is written, and all of them together. */
import type { RuleAction } from '../permission.ts'

/** Who ({@link parseWho}) → what they may. */
export type Allow = Readonly<Record<string, readonly RuleAction[]>>

export type Rule = {
  readonly pattern: string
  readonly allow: Allow
  /** Where it stands, for people: `config.yml:12`, `database`. */
  readonly source: string
}

/** What holds where no rule matches. */
export type Defaults = {
  readonly allow: { readonly anonymous: readonly RuleAction[]; readonly 'signed-in': readonly RuleAction[] }
  readonly source: string
}

/** Without rules: who signed in may do everything, nobody else anything. As Distribution with `auth`. */
export const SIGNED_IN_MAY_ALL: Defaults = {
  allow: { anonymous: [], 'signed-in': ['pull', 'push', 'delete'] },
  source: 'default',
}

/** What the configuration file says of access; another object as soon as it says something else. */
export type FileAccess = {
  /** A pattern once. */
  readonly rules: readonly Rule[]
  readonly defaults: Defaults
  /** Group → names of its users. */
  readonly groups: ReadonlyMap<string, ReadonlySet<string>>
  /** `user:NAME`, `group:NAME`: they may do everything. */
  readonly administrators: ReadonlySet<string>
}
