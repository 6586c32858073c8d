/**
 * Whether a robot is in somebody's hands: all it may do is. Its scopes say only a part of that: rules may name it, and
 * groups may have it, and whoever could give it a secret would have all of that too.
 */
import type { Access, AccessNow } from '../auth/access.ts'
import type { FileAccess } from '../auth/rules/rule.ts'
import { parseWho } from '../auth/rules/who.ts'
import { readAllRules } from '../metadata/access/rules.ts'
import type { Db } from '../metadata/database.ts'
import type { Membership } from '../auth/membership.ts'
import type { Reach } from './exchange.ts'

type ByRobot = ReadonlyMap<string, readonly string[]>
type Robot = { readonly name: string; readonly scopes: readonly { readonly repositories: string }[] }

export type RobotReach = {
  /** Also of one that is not there yet. */
  isInHand(reach: Reach, robot: Robot): Promise<boolean>
}

export function createRobotReach({
  db,
  access,
  file,
  membership,
}: {
  db: Pick<Db, 'read'>
  access: Access
  file: () => FileAccess
  membership: Pick<Membership, 'groupsOf'>
}): RobotReach {
  /** Rules of one moment → which of them name which robot. */
  const known = new WeakMap<AccessNow, Promise<ByRobot>>()

  async function rulesNaming(name: string): Promise<readonly string[]> {
    const now = await access.current()
    let index = known.get(now)
    if (index === undefined) {
      index = indexOf(db, file())
      known.set(now, index)
      // What could not be read is read again.
      index.catch(() => known.delete(now))
    }
    return (await index).get(name) ?? []
  }

  return {
    async isInHand(reach, { name, scopes }) {
      if (!(await reach.coversAll(scopes.map(({ repositories }) => repositories)))) return false
      if (await reach.covers('**')) return true
      if ((await membership.groupsOf(`robot:${name}`)).length > 0) return false
      const naming = await rulesNaming(name)
      return naming.length === 0 || reach.coversAll(naming)
    },
  }
}

async function indexOf(db: Pick<Db, 'read'>, { rules }: FileAccess): Promise<ByRobot> {
  const index = new Map<string, string[]>()
  for (const { pattern, allow } of [...rules, ...(await readAllRules(db)).rules]) {
    for (const text of Object.keys(allow)) {
      const who = parseWho(text)
      if ('problem' in who || who.kind !== 'robot') continue
      const patterns = index.get(who.name)
      if (patterns === undefined) index.set(who.name, [pattern])
      else patterns.push(pattern)
    }
  }
  return index
}
