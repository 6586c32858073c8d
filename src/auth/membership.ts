/** Which groups somebody is in, by the database and by the configuration file together, and who may do everything. */
import { groupsOfMember, type Member, recallGroupsOf } from '../metadata/access/groups.ts'
import type { Db } from '../metadata/database.ts'
import type { FileAccess } from './rules/rule.ts'

export type Membership = {
  /**
   * Names, each once. The same list object as long as nothing has changed. At once where the database's part is in
   * memory.
   * @param member `user:NAME`, wherever that user is known, or `robot:NAME`
   */
  groupsOf(member: Member): readonly string[] | Promise<readonly string[]>
  /**
   * Whether the configuration's `access.administrators` means them. Never a robot.
   * @param groups also those of other sources, as of a directory
   */
  isAdministrator(name: string, groups: readonly string[]): boolean
}

/** Users by name, and robots as `robot:NAME` → their groups. */
type ByMember = ReadonlyMap<string, readonly string[]>

/** @param fileAccess what the configuration file says now; undefined: nothing of access */
export function createMembership({
  db,
  fileAccess,
}: {
  db: Pick<Db, 'cached' | 'recall'>
  fileAccess: () => Pick<FileAccess, 'groups' | 'administrators'> | undefined
}): Membership {
  const indexes = new WeakMap<object, ByMember>()
  const merged = new WeakMap<readonly string[], { file: readonly string[]; both: readonly string[] }>()

  function ofFile(member: Member): readonly string[] {
    const access = fileAccess()
    if (access === undefined) return NONE
    let index = indexes.get(access.groups)
    if (index === undefined) {
      index = indexOf(access.groups)
      indexes.set(access.groups, index)
    }
    return index.get(member) ?? NONE
  }

  function merge(member: Member, database: readonly string[]): readonly string[] {
    const file = ofFile(member)
    if (file.length === 0) return database
    if (database.length === 0) return file
    const known = merged.get(database)
    if (known?.file === file) return known.both
    const both = [...new Set([...database, ...file])]
    merged.set(database, { file, both })
    return both
  }

  return {
    groupsOf(member) {
      const recalled = recallGroupsOf(db, member)
      if (recalled !== undefined) return merge(member, recalled)
      return groupsOfMember(db, member).then((names) => merge(member, names))
    },
    isAdministrator(name, groups) {
      const administrators = fileAccess()?.administrators
      if (administrators === undefined || administrators.size === 0) return false
      return (
        administrators.has(`user:${name}`) || groups.some((group) => administrators.has(`group:${group}`))
      )
    },
  }
}

const NONE: readonly string[] = []

/** A file may have many groups and many members: found by who asks, not by looking through them. */
function indexOf(groups: FileAccess['groups']): ByMember {
  const index = new Map<string, string[]>()
  for (const [group, members] of groups) {
    for (const text of members) {
      const member = text.startsWith('user:') || text.startsWith('robot:') ? text : `user:${text}`
      const names = index.get(member)
      if (names === undefined) index.set(member, [group])
      else if (!names.includes(group)) names.push(group)
    }
  }
  return index
}
