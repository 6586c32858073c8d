/** What goes with an account: its memberships and every secret it holds. */
import type { Actor } from '../actor.ts'
import type { Db, Statement, Step } from '../database.ts'
import { journalGone } from './journal.ts'
import { ACCESS_SCOPE, RAISE_ACCESS_VERSION } from './version.ts'

const LEAVE_GROUPS: Statement = {
  name: 'leave-groups',
  sql: 'DELETE FROM group_members WHERE member = :member',
}
const REMOVE_SECRETS: Statement = {
  name: 'remove-secrets-of-account',
  sql: 'DELETE FROM secrets WHERE holder = :holder',
}

const KIND = { users: 'user', robots: 'robot' } as const

export type RemovedAccount = {
  table: keyof typeof KIND
  id: number
  name: string
  /** Deletes its row, by `:id`. */
  remove: Statement
  conditions?: readonly Step[]
}

/** @returns false: it is not there, or a condition does not hold */
export async function removeAccount(
  db: Pick<Db, 'write'>,
  { table, id, name, remove, conditions = [] }: RemovedAccount,
  actor: Actor,
): Promise<boolean> {
  const [member, holder] = [`${KIND[table]}:${name}`, `${KIND[table]}:${id}`]
  const outcome = await db.write({
    steps: [
      ...conditions,
      { statement: remove, expect: 1 },
      { statement: LEAVE_GROUPS },
      { statement: REMOVE_SECRETS },
      RAISE_ACCESS_VERSION,
    ],
    params: { id, member, holder },
    touches: [ACCESS_SCOPE],
    journal: [
      journalGone(table, { id }, actor),
      journalGone('group_members', { member }, actor),
      journalGone('secrets', { holder }, actor),
    ],
    frees: true,
  })
  return outcome.done
}
