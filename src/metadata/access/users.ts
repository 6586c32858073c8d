/** Berth's own users. */
import { type Actor, actorParams } from '../actor.ts'
import type { Db, Row, Statement, Step } from '../database.ts'
import { journalRow } from './journal.ts'
import { IS_NEW_ID, writeNew } from './new-row.ts'
import { ACCESS_SCOPE, RAISE_ACCESS_VERSION } from './version.ts'

export type UserRow = {
  readonly id: number
  readonly name: string
  /** A hash; undefined: no password is right. */
  readonly password: string | undefined
  /** New with each password and each time it is disabled: what was given out under another one counts no more. */
  readonly stamp: string
  readonly isAdmin: boolean
  /** Milliseconds since 1970, as all times here. */
  readonly disabledAt: number | undefined
  readonly createdAt: number
  readonly createdBy: string
}

/** A user as lists show it: without what nobody is to see. */
export type ListedUser = Omit<UserRow, 'password' | 'stamp'> & {
  readonly hasPassword: boolean
  /** Written about once a minute. */
  readonly lastUsedAt: number | undefined
}

export type NewUser = {
  name: string
  /** A hash. */
  password: string | undefined
  /** Random. */
  stamp: string
  isAdmin: boolean
}

/** The name belongs to another user, or to a robot: they do not share names. */
export type Taken = { kind: 'taken'; by: 'user' | 'robot' }

const COLUMNS = 'id, name, password, stamp, is_admin, disabled_at, created_at, created_by'
const FIND_BY_NAME: Statement = {
  name: 'user-by-name',
  sql: `SELECT ${COLUMNS} FROM users WHERE name = :user`,
  rows: true,
}
const FIND_BY_ID: Statement = {
  name: 'user-by-id',
  sql: `SELECT ${COLUMNS} FROM users WHERE id = :id`,
  rows: true,
}
const LISTED = `id, name, password IS NOT NULL AS has_password, is_admin, disabled_at, created_at, created_by,
        last_used_at`
const LIST: Statement = {
  name: 'list-users',
  sql: `SELECT ${LISTED} FROM users WHERE name > :after ORDER BY name LIMIT :limit`,
  rows: true,
}
const FIND_LISTED: Statement = {
  name: 'listed-user',
  sql: `SELECT ${LISTED} FROM users WHERE name = :user`,
  rows: true,
}
const FIND_ADMINISTRATOR: Statement = {
  name: 'find-administrator',
  sql: 'SELECT id FROM users WHERE is_admin = 1 LIMIT 1',
  rows: true,
}
const FREE_NAME = `NOT EXISTS (SELECT 1 FROM users u WHERE u.name = :user)
        AND NOT EXISTS (SELECT 1 FROM robots r WHERE r.name = :user)`
const CREATE: Statement = {
  name: 'create-user',
  sql: `INSERT INTO users (id, name, password, stamp, is_admin, created_at, created_by)
        SELECT :id, :user, :password, :stamp, :isAdmin, :now, :principalName WHERE ${FREE_NAME} AND ${IS_NEW_ID}`,
}
const NO_ADMINISTRATOR: Statement = {
  name: 'no-administrator',
  sql: 'SELECT 1 FROM users WHERE is_admin = 1 LIMIT 1',
  rows: true,
}
const byName = (name: string): string => `user ${name}`
const byId = (id: number): string => `user #${id}`

export async function findUserByName(db: Pick<Db, 'cached'>, name: string): Promise<UserRow | undefined> {
  return db.cached(ACCESS_SCOPE, byName(name), FIND_BY_NAME, { user: name }, userOf, weightOf)
}

export async function findUserById(db: Pick<Db, 'cached'>, id: number): Promise<UserRow | undefined> {
  return db.cached(ACCESS_SCOPE, byId(id), FIND_BY_ID, { id }, userOf, weightOf)
}

/** Of {@link findUserById}, if it is in memory and exactly fresh. */
export function recallUserById(db: Pick<Db, 'recall'>, id: number): UserRow | undefined {
  return db.recall(ACCESS_SCOPE, byId(id)) as UserRow | undefined
}

/** In order of names. @param after a name; '' begins */
export async function listUsers(db: Db, after: string, limit: number): Promise<ListedUser[]> {
  return (await db.read(LIST, { after, limit })).map(listedOf)
}

/** One, as lists show it. */
export async function findListedUser(db: Pick<Db, 'read'>, name: string): Promise<ListedUser | undefined> {
  const [row] = await db.read(FIND_LISTED, { user: name })
  return row && listedOf(row)
}

const listedOf = (row: Row): ListedUser => ({
  ...commonOf(row),
  hasPassword: row['has_password'] === 1,
  lastUsedAt: (row['last_used_at'] as number | null) ?? undefined,
})

/** Whether a user of the database is one, disabled or not. */
export async function hasAdministrator(db: Db): Promise<boolean> {
  return (await db.read(FIND_ADMINISTRATOR, {})).length > 0
}

export async function createUser(
  db: Db,
  user: NewUser,
  actor: Actor,
): Promise<{ kind: 'created'; id: number } | Taken> {
  const made = await insertUser(db, user, actor, [], () => whyTaken(db, user.name))
  return 'id' in made ? { kind: 'created', id: made.id } : made.why
}

/** Only where there is no administrator yet: of several processes that try, one does it. */
export async function createFirstAdministrator(
  db: Db,
  user: NewUser,
  actor: Actor,
): Promise<{ kind: 'created'; id: number } | { kind: 'there-is-one' } | Taken> {
  const onlyIfNone: Step = { statement: NO_ADMINISTRATOR, expect: 0 }
  const made = await insertUser(db, user, actor, [onlyIfNone], async () =>
    (await hasAdministrator(db)) ? ({ kind: 'there-is-one' } as const) : whyTaken(db, user.name),
  )
  return 'id' in made ? { kind: 'created', id: made.id } : made.why
}

function insertUser<W>(
  db: Db,
  { name, password, stamp, isAdmin }: NewUser,
  actor: Actor,
  conditions: readonly Step[],
  whyNot: () => Promise<W | undefined>,
): Promise<{ id: number } | { why: W }> {
  const params = {
    ...actorParams(actor),
    user: name,
    password: password ?? null,
    stamp,
    isAdmin: Number(isAdmin),
  }
  return writeNew(
    db,
    'users',
    (id) => ({
      steps: [...conditions, { statement: CREATE, expect: 1 }, RAISE_ACCESS_VERSION],
      params,
      touches: [ACCESS_SCOPE],
      journal: [
        journalRow(
          'users',
          {
            id,
            name,
            password: password ?? null,
            stamp,
            is_admin: Number(isAdmin),
            created_at: actor.now,
            created_by: actor.principalName,
          },
          actor,
        ),
      ],
    }),
    whyNot,
  )
}

const WHOSE_NAME: Statement = {
  name: 'whose-name',
  sql: `SELECT 'user' AS kind FROM users WHERE name = :user UNION ALL SELECT 'robot' FROM robots WHERE name = :user`,
  rows: true,
}

/** Whose name it is among users and robots. */
export async function whyTaken(db: Db, name: string): Promise<Taken | undefined> {
  const [row] = await db.read(WHOSE_NAME, { user: name })
  return row && { kind: 'taken', by: row['kind'] as Taken['by'] }
}

function commonOf(row: Row): Omit<UserRow, 'password' | 'stamp'> {
  return {
    id: row['id'] as number,
    name: row['name'] as string,
    isAdmin: row['is_admin'] === 1,
    disabledAt: (row['disabled_at'] as number | null) ?? undefined,
    createdAt: row['created_at'] as number,
    createdBy: row['created_by'] as string,
  }
}

function userOf([row]: readonly Row[]): UserRow | undefined {
  return (
    row && {
      ...commonOf(row),
      password: (row['password'] as string | null) ?? undefined,
      stamp: row['stamp'] as string,
    }
  )
}

const weightOf = ({ name, password = '' }: UserRow): number => 2 * (name.length + password.length) + 256
