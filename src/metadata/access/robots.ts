/** Robots: accounts of programs, which hold secrets and have scopes of their own. */
import { type Actor, actorParams } from '../actor.ts'
import type { Db, Row, SqlValue, Statement, Step } from '../database.ts'
import { type AccessColumns, journalRow, journalSet } from './journal.ts'
import { IS_NEW_ID, writeNew } from './new-row.ts'
import { removeAccount } from './remove-account.ts'
import { readScopes, type StoredScope, writeScopes } from './scopes.ts'
import { type Taken, whyTaken } from './users.ts'
import { ACCESS_SCOPE, RAISE_ACCESS_VERSION } from './version.ts'

export type RobotRow = {
  readonly id: number
  readonly name: string
  readonly description: string
  /** What it may, beside what rules allow it. */
  readonly scopes: readonly StoredScope[]
  /** Milliseconds since 1970, as all times here. */
  readonly disabledAt: number | undefined
  readonly expiresAt: number | undefined
  readonly createdAt: number
  readonly createdBy: string
}

export type NewRobot = Pick<RobotRow, 'name' | 'description' | 'scopes' | 'expiresAt'>

const COLUMNS = 'id, name, description, scopes, disabled_at, expires_at, created_at, created_by'
const FIND_BY_NAME: Statement = {
  name: 'robot-by-name',
  sql: `SELECT ${COLUMNS} FROM robots WHERE name = :robot`,
  rows: true,
}
const FIND_BY_ID: Statement = {
  name: 'robot-by-id',
  sql: `SELECT ${COLUMNS} FROM robots WHERE id = :id`,
  rows: true,
}
const LIST: Statement = {
  name: 'list-robots',
  sql: `SELECT ${COLUMNS} FROM robots WHERE name > :after ORDER BY name LIMIT :limit`,
  rows: true,
}
const CREATE: Statement = {
  name: 'create-robot',
  sql: `INSERT INTO robots (id, name, description, scopes, expires_at, created_at, created_by)
        SELECT :id, :robot, :description, :scopes, :expiresAt, :now, :principalName
        WHERE NOT EXISTS (SELECT 1 FROM robots r WHERE r.name = :robot)
        AND NOT EXISTS (SELECT 1 FROM users u WHERE u.name = :robot) AND ${IS_NEW_ID}`,
}
const CHANGE: Statement = {
  name: 'change-robot',
  sql: `UPDATE robots SET description = iif(:setDescription, :description, description),
          scopes = iif(:setScopes, :scopes, scopes), expires_at = iif(:setExpiry, :expiresAt, expires_at),
          disabled_at = iif(:setDisabled, :disabledAt, disabled_at)
        WHERE id = :id`,
}
const REMOVE: Statement = { name: 'remove-robot', sql: 'DELETE FROM robots WHERE id = :id' }

const byId = (id: number): string => `robot #${id}`

export async function findRobotByName(db: Pick<Db, 'cached'>, name: string): Promise<RobotRow | undefined> {
  return db.cached(
    ACCESS_SCOPE,
    `robot ${name}`,
    FIND_BY_NAME,
    { robot: name },
    ([row]) => row && robotOf(row),
    weightOf,
  )
}

export async function findRobotById(db: Pick<Db, 'cached'>, id: number): Promise<RobotRow | undefined> {
  return db.cached(ACCESS_SCOPE, byId(id), FIND_BY_ID, { id }, ([row]) => row && robotOf(row), weightOf)
}

/** Of {@link findRobotById}, if it is in memory and exactly fresh. */
export function recallRobotById(db: Pick<Db, 'recall'>, id: number): RobotRow | undefined {
  return db.recall(ACCESS_SCOPE, byId(id)) as RobotRow | undefined
}

/** In order of names. @param after a name; '' begins */
export async function listRobots(db: Db, after: string, limit: number): Promise<RobotRow[]> {
  return (await db.read(LIST, { after, limit })).map(robotOf)
}

export async function createRobot(
  db: Db,
  { name, description, scopes, expiresAt }: NewRobot,
  actor: Actor,
): Promise<{ kind: 'created'; id: number } | Taken> {
  const stored = { description, scopes: writeScopes(scopes), expires_at: expiresAt ?? null }
  const made = await writeNew(
    db,
    'robots',
    (id) => ({
      steps: [{ statement: CREATE, expect: 1 }, RAISE_ACCESS_VERSION],
      params: {
        ...actorParams(actor),
        robot: name,
        description,
        scopes: stored.scopes,
        expiresAt: stored.expires_at,
      },
      touches: [ACCESS_SCOPE],
      journal: [
        journalRow(
          'robots',
          { id, name, ...stored, created_at: actor.now, created_by: actor.principalName },
          actor,
        ),
      ],
    }),
    () => whyTaken(db, name),
  )
  return 'id' in made ? { kind: 'created', id: made.id } : made.why
}

export type RobotChange = {
  description?: string
  scopes?: readonly StoredScope[]
  /** null: it does not expire. */
  expiresAt?: number | null
  isDisabled?: boolean
}

/** What is absent stays as it is. @returns false: it is not there */
export async function changeRobot(db: Db, id: number, change: RobotChange, actor: Actor): Promise<boolean> {
  const { description, expiresAt, isDisabled } = change
  const scopes = change.scopes && writeScopes(change.scopes)
  const disabledAt = isDisabled === true ? actor.now : null
  const set: Record<string, SqlValue> = {
    ...(description !== undefined && { description }),
    ...(scopes !== undefined && { scopes }),
    ...(expiresAt !== undefined && { expires_at: expiresAt }),
    ...(isDisabled !== undefined && { disabled_at: disabledAt }),
  }
  if (Object.keys(set).length === 0) return (await findRobotById(db, id)) !== undefined
  const outcome = await db.write({
    steps: [{ statement: CHANGE, expect: 1 }, RAISE_ACCESS_VERSION] satisfies Step[],
    params: {
      id,
      setDescription: Number(description !== undefined),
      description: description ?? null,
      setScopes: Number(scopes !== undefined),
      scopes: scopes ?? null,
      setExpiry: Number(expiresAt !== undefined),
      expiresAt: expiresAt ?? null,
      setDisabled: Number(isDisabled !== undefined),
      disabledAt,
    },
    touches: [ACCESS_SCOPE],
    journal: [journalSet('robots', { id }, set as AccessColumns<'robots'>, actor)],
  })
  return outcome.done
}

/** With its memberships and all secrets it holds. @returns false: it is not there */
export async function removeRobot(
  db: Db,
  { id, name }: Pick<RobotRow, 'id' | 'name'>,
  actor: Actor,
): Promise<boolean> {
  return removeAccount(db, { table: 'robots', id, name, remove: REMOVE }, actor)
}

function robotOf(row: Row): RobotRow {
  return {
    id: row['id'] as number,
    name: row['name'] as string,
    description: row['description'] as string,
    scopes: readScopes(row['scopes'] as string),
    disabledAt: (row['disabled_at'] as number | null) ?? undefined,
    expiresAt: (row['expires_at'] as number | null) ?? undefined,
    createdAt: row['created_at'] as number,
    createdBy: row['created_by'] as string,
  }
}

const weightOf = ({ description, scopes }: RobotRow): number =>
  384 +
  2 * description.length +
  scopes.reduce((sum, { repositories }) => sum + 128 + 2 * repositories.length, 0)
