/** Groups of the database, and who is in them. A member is a name, wherever it is known. */
import { type Actor, actorParams } from '../actor.ts'
import type { Db, Row, Statement } from '../database.ts'
import { journalGone, journalRow, journalSet } from './journal.ts'
import { IS_NEW_ID, writeNew } from './new-row.ts'
import { ACCESS_SCOPE, RAISE_ACCESS_VERSION } from './version.ts'

export type GroupRow = {
  readonly id: number
  readonly name: string
  readonly description: string
  /** Milliseconds since 1970. */
  readonly createdAt: number
  readonly createdBy: string
}

/** `user:NAME`, in whichever source that user is, or `robot:NAME`. */
export type Member = `user:${string}` | `robot:${string}`

const COLUMNS = 'id, name, description, created_at, created_by'
const FIND: Statement = {
  name: 'group-by-name',
  sql: `SELECT ${COLUMNS} FROM groups WHERE name = :group`,
  rows: true,
}
const LIST: Statement = {
  name: 'list-groups',
  sql: `SELECT ${COLUMNS}, (SELECT count(*) FROM group_members m WHERE m.group_id = groups.id) AS members
        FROM groups WHERE name > :after ORDER BY name LIMIT :limit`,
  rows: true,
}
const LIST_MEMBERS: Statement = {
  name: 'list-members',
  sql: 'SELECT member FROM group_members WHERE group_id = :id AND member > :after ORDER BY member LIMIT :limit',
  rows: true,
}
const GROUPS_OF: Statement = {
  name: 'groups-of-member',
  sql: `SELECT g.name FROM group_members m CROSS JOIN groups g ON g.id = m.group_id
        WHERE m.member = :member ORDER BY m.group_id`,
  rows: true,
}
const CREATE: Statement = {
  name: 'create-group',
  sql: `INSERT INTO groups (id, name, description, created_at, created_by)
        SELECT :id, :group, :description, :now, :principalName
        WHERE NOT EXISTS (SELECT 1 FROM groups g WHERE g.name = :group) AND ${IS_NEW_ID}`,
}
const DESCRIBE: Statement = {
  name: 'describe-group',
  sql: 'UPDATE groups SET description = :description WHERE id = :id',
}
const REMOVE: Statement = { name: 'remove-group', sql: 'DELETE FROM groups WHERE id = :id' }
const ADD: Statement = {
  name: 'add-member',
  sql: `INSERT INTO group_members (group_id, member) SELECT id, :member FROM groups WHERE id = :id
        ON CONFLICT (group_id, member) DO NOTHING`,
}
const LEAVE: Statement = {
  name: 'remove-member',
  sql: 'DELETE FROM group_members WHERE group_id = :id AND member = :member',
}

export async function findGroupByName(db: Pick<Db, 'cached'>, name: string): Promise<GroupRow | undefined> {
  return db.cached(
    ACCESS_SCOPE,
    `group ${name}`,
    FIND,
    { group: name },
    ([row]) => row && groupOf(row),
    ({ description }) => 256 + 2 * description.length,
  )
}

/** In order of names, each with how many members it has. @param after a name; '' begins */
export async function listGroups(
  db: Db,
  after: string,
  limit: number,
): Promise<(GroupRow & { members: number })[]> {
  const rows = await db.read(LIST, { after, limit })
  return rows.map((row) => ({ ...groupOf(row), members: row['members'] as number }))
}

/** In byte order. @param after a member; '' begins */
export async function listMembers(db: Db, id: number, after: string, limit: number): Promise<Member[]> {
  const rows = await db.read(LIST_MEMBERS, { id, after, limit })
  return rows.map((row) => row['member'] as Member)
}

const groupsKey = (member: string): string => `groups of ${member}`

/** Names of the groups of the database that it is in; the same list object as long as nothing has changed. */
export async function groupsOfMember(db: Pick<Db, 'cached'>, member: Member): Promise<readonly string[]> {
  const names = await db.cached(
    ACCESS_SCOPE,
    groupsKey(member),
    GROUPS_OF,
    { member },
    (rows): readonly string[] => rows.map((row) => row['name'] as string),
    (list) => 64 * list.length + 64,
  )
  return names ?? []
}

/** Of {@link groupsOfMember}, if it is in memory and exactly fresh. */
export function recallGroupsOf(db: Pick<Db, 'recall'>, member: Member): readonly string[] | undefined {
  return db.recall(ACCESS_SCOPE, groupsKey(member)) as readonly string[] | undefined
}

/** @returns its id; undefined: there is one of that name */
export async function createGroup(
  db: Db,
  { name, description }: Pick<GroupRow, 'name' | 'description'>,
  actor: Actor,
): Promise<number | undefined> {
  const made = await writeNew(
    db,
    'groups',
    (id) => ({
      steps: [{ statement: CREATE, expect: 1 }, RAISE_ACCESS_VERSION],
      params: { ...actorParams(actor), group: name, description },
      touches: [ACCESS_SCOPE],
      journal: [
        journalRow(
          'groups',
          { id, name, description, created_at: actor.now, created_by: actor.principalName },
          actor,
        ),
      ],
    }),
    async () => ((await db.read(FIND, { group: name })).length > 0 ? 'taken' : undefined),
  )
  return 'id' in made ? made.id : undefined
}

/** @returns false: it is not there */
export async function describeGroup(db: Db, id: number, description: string, actor: Actor): Promise<boolean> {
  const outcome = await db.write({
    steps: [{ statement: DESCRIBE, expect: 1 }],
    params: { id, description },
    touches: [ACCESS_SCOPE],
    journal: [journalSet('groups', { id }, { description }, actor)],
  })
  return outcome.done
}

/** With its memberships. @returns false: it is not there */
export async function removeGroup(db: Db, id: number, actor: Actor): Promise<boolean> {
  const outcome = await db.write({
    steps: [{ statement: REMOVE, expect: 1 }, RAISE_ACCESS_VERSION],
    params: { id },
    touches: [ACCESS_SCOPE],
    journal: [journalGone('groups', { id }, actor)],
    frees: true,
  })
  return outcome.done
}

/** @returns false: there is no such group, or it is in it already */
export async function addMember(db: Db, id: number, member: Member, actor: Actor): Promise<boolean> {
  const outcome = await db.write({
    steps: [{ statement: ADD, expect: 1 }, RAISE_ACCESS_VERSION],
    params: { id, member },
    touches: [ACCESS_SCOPE],
    journal: [journalRow('group_members', { group_id: id, member }, actor)],
  })
  return outcome.done
}

/** @returns false: it was not in it */
export async function removeMember(db: Db, id: number, member: Member, actor: Actor): Promise<boolean> {
  const outcome = await db.write({
    steps: [{ statement: LEAVE, expect: 1 }, RAISE_ACCESS_VERSION],
    params: { id, member },
    touches: [ACCESS_SCOPE],
    journal: [journalGone('group_members', { group_id: id, member }, actor)],
    frees: true,
  })
  return outcome.done
}

function groupOf(row: Row): GroupRow {
  return {
    id: row['id'] as number,
    name: row['name'] as string,
    description: row['description'] as string,
    createdAt: row['created_at'] as number,
    createdBy: row['created_by'] as string,
  }
}
