/** The entries of a rule, made ready to be asked. */
import type { Principal } from '../principal.ts'
import { NOTHING, type Rights, rightsOfActions } from './rights.ts'
import type { Allow } from './rule.ts'
import { NAMED, parseWho } from './who.ts'

type ByName = ReadonlyMap<string, Rights>
/** Most rules mean few kinds, and there can be many rules. */
const NOBODY = new Map<string, Rights>()

export type Entries = {
  /** Of `anonymous`: what those may, everybody may. */
  readonly everybody: Rights
  readonly signedIn: Rights
  readonly users: ByName
  readonly groups: ByName
  readonly robots: ByName
  readonly claims: ByName
}

/** @throws Error: an entry means nobody; whoever takes rules in has checked them */
export function compileEntries(allow: Allow): Entries {
  const named: Record<(typeof NAMED)[number], Map<string, Rights>> = {
    user: NOBODY,
    group: NOBODY,
    robot: NOBODY,
    claim: NOBODY,
  }
  let everybody = NOTHING
  let signedIn = NOTHING
  for (const [text, actions] of Object.entries(allow)) {
    const who = parseWho(text)
    if ('problem' in who) throw new Error(`a rule's ${JSON.stringify(text)} ${who.problem}`)
    const rights = rightsOfActions(actions)
    if (who.name !== undefined) {
      if (named[who.kind] === NOBODY) named[who.kind] = new Map()
      named[who.kind].set(who.name, rights)
    } else if (who.kind === 'anonymous') everybody |= rights
    else signedIn |= rights
  }
  const { user: users, group: groups, robot: robots, claim: claims } = named
  return { everybody, signedIn, users, groups, robots, claims }
}

/** All that the entries that mean this principal give it together. */
export function rightsIn(entries: Entries, { kind, name, groups, claims }: Principal): Rights {
  let rights = entries.everybody
  if (kind === 'anonymous') return rights
  if (kind === 'user') rights |= entries.signedIn | (entries.users.get(name) ?? NOTHING)
  if (kind === 'robot') rights |= entries.robots.get(name) ?? NOTHING
  if (entries.groups.size > 0) for (const group of groups) rights |= entries.groups.get(group) ?? NOTHING
  if (entries.claims.size > 0 && kind === 'workload')
    for (const claim of claims) rights |= entries.claims.get(claim) ?? NOTHING
  return rights
}

/** The entries that mean this principal, as they are written, each with what it gives. */
export function entriesFor(allow: Allow, principal: Principal): [string, readonly string[]][] {
  return Object.entries(allow).filter(([text]) => {
    const alone = compileEntries({ [text]: ['admin'] })
    return rightsIn(alone, principal) !== NOTHING
  })
}
