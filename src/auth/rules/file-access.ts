/** What the configuration's `access` says, as the rest of this room reads it. */
import type { RuleAction } from '../permission.ts'
import type { FileAccess, Rule } from './rule.ts'

type Actions = readonly (RuleAction | undefined)[]

/** The section as it was loaded and checked. */
export type ConfiguredAccess = {
  readonly anonymous: Actions
  readonly 'signed-in': Actions
  readonly administrators: readonly string[]
  readonly groups: Readonly<Record<string, readonly string[]>>
  readonly rules: readonly {
    readonly repositories: readonly string[]
    readonly allow: Readonly<Record<string, Actions>>
  }[]
}

/** @param sources setting → where it was said: `access.rules[0].repositories[1]` → `config.yml:7` */
export function fileAccessOf(
  access: ConfiguredAccess,
  sources: Readonly<Record<string, string>> = {},
): FileAccess {
  const sourceOf = (path: string): string => {
    const source = sources[path]
    return source === undefined || source === 'default' ? 'configuration' : source
  }
  return {
    rules: access.rules.flatMap(({ repositories, allow }, rule) =>
      repositories.map((pattern, index): Rule => ({
        pattern,
        allow: Object.fromEntries(Object.entries(allow).map(([who, actions]) => [who, given(actions)])),
        source: sourceOf(`access.rules[${rule}].repositories[${index}]`),
      })),
    ),
    defaults: {
      allow: { anonymous: given(access.anonymous), 'signed-in': given(access['signed-in']) },
      source: defaultsSource(sources),
    },
    groups: new Map(Object.entries(access.groups).map(([name, members]) => [name, new Set(members)])),
    administrators: new Set(access.administrators),
  }
}

function given(actions: Actions): RuleAction[] {
  return actions.filter((action) => action !== undefined)
}

function defaultsSource(sources: Readonly<Record<string, string>>): string {
  const said = ['access.anonymous', 'access.signed-in']
    .map((path) => sources[path])
    .filter((source) => source !== undefined && source !== 'default')
  return said.length === 0 ? 'default' : [...new Set(said)].join(', ')
}

/** Whether two say the same, wherever they say it. */
export function saysTheSame(a: FileAccess, b: FileAccess): boolean {
  return JSON.stringify(plain(a)) === JSON.stringify(plain(b))
}

function plain({ rules, defaults, groups, administrators }: FileAccess): unknown {
  return [rules, defaults, [...groups].map(([name, members]) => [name, [...members]]), [...administrators]]
}
