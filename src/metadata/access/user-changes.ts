/** What changes about a user, and that it goes. */
import type { Actor } from '../actor.ts'
import type { Db, JournalEntry, Params, Statement, Step } from '../database.ts'
import { journalSet } from './journal.ts'
import { removeAccount } from './remove-account.ts'
import type { UserRow } from './users.ts'
import { ACCESS_SCOPE, RAISE_ACCESS_VERSION } from './version.ts'

const ADMINISTRATOR_STAYS: Statement = {
  name: 'administrator-stays',
  sql: `SELECT 1 FROM users WHERE id = :id AND (is_admin = 0 OR disabled_at IS NOT NULL)
        UNION ALL SELECT 1 FROM users WHERE is_admin = 1 AND disabled_at IS NULL AND id <> :id LIMIT 1`,
  rows: true,
}
/** A condition of a change: the user it is about is not the last administrator of the database who is not disabled. */
export const KEEPS_AN_ADMINISTRATOR: Step = { statement: ADMINISTRATOR_STAYS, expect: 1 }
const STILL: Statement = {
  name: 'user-still-has-stamp',
  sql: 'SELECT 1 FROM users WHERE id = :id AND stamp = :wasStamp',
  rows: true,
}
const SET_PASSWORD: Statement = {
  name: 'set-user-password',
  sql: 'UPDATE users SET password = :password, stamp = :stamp WHERE id = :id',
}
const SET_ADMIN: Statement = {
  name: 'set-user-admin',
  sql: 'UPDATE users SET is_admin = :isAdmin WHERE id = :id',
}
const DISABLE: Statement = {
  name: 'disable-user',
  sql: 'UPDATE users SET disabled_at = :now, stamp = :stamp WHERE id = :id',
}
const ENABLE: Statement = {
  name: 'enable-user',
  sql: 'UPDATE users SET disabled_at = NULL WHERE id = :id',
}
const REMOVE: Statement = { name: 'remove-user', sql: 'DELETE FROM users WHERE id = :id' }

export type UserChange =
  /** `wasStamp`: only if it is still this one. `password` undefined: none is right from now on. */
  | { set: 'password'; password: string | undefined; stamp: string; wasStamp?: string }
  | { set: 'admin'; isAdmin: boolean }
  /** `stamp`: a new one, so that nothing given out before counts when it is enabled again. */
  | { set: 'disabled'; stamp: string }
  | { set: 'enabled' }

/** @returns false: it is not there, has another stamp by now, or a condition does not hold */
export async function changeUser(
  db: Db,
  id: number,
  change: UserChange,
  actor: Actor,
  conditions: readonly Step[] = [],
): Promise<boolean> {
  const { steps, params, journal } = changeOf(id, change, actor)
  const outcome = await db.write({
    steps: [...conditions, ...steps, RAISE_ACCESS_VERSION],
    params: { ...params, id, now: actor.now },
    touches: [ACCESS_SCOPE],
    journal: [journal],
  })
  return outcome.done
}

function changeOf(
  id: number,
  change: UserChange,
  actor: Actor,
): { steps: Step[]; params: Params; journal: JournalEntry } {
  switch (change.set) {
    case 'password': {
      const { password = null, stamp, wasStamp } = change
      return {
        steps: [
          ...(wasStamp === undefined ? [] : [{ statement: STILL, expect: 1 }]),
          { statement: SET_PASSWORD, expect: 1 },
        ],
        params: { password, stamp, wasStamp: wasStamp ?? null },
        journal: journalSet('users', { id }, { password, stamp }, actor),
      }
    }
    case 'admin': {
      const isAdmin = Number(change.isAdmin)
      return {
        steps: [{ statement: SET_ADMIN, expect: 1 }],
        params: { isAdmin },
        journal: journalSet('users', { id }, { is_admin: isAdmin }, actor),
      }
    }
    case 'disabled':
      return {
        steps: [{ statement: DISABLE, expect: 1 }],
        params: { stamp: change.stamp },
        journal: journalSet('users', { id }, { disabled_at: actor.now, stamp: change.stamp }, actor),
      }
    case 'enabled':
      return {
        steps: [{ statement: ENABLE, expect: 1 }],
        params: {},
        journal: journalSet('users', { id }, { disabled_at: null }, actor),
      }
  }
}

/** With its memberships and all secrets it holds. @returns false: it is not there, or a condition does not hold */
export async function removeUser(
  db: Db,
  { id, name }: Pick<UserRow, 'id' | 'name'>,
  actor: Actor,
  conditions: readonly Step[] = [],
): Promise<boolean> {
  return removeAccount(db, { table: 'users', id, name, remove: REMOVE, conditions }, actor)
}
