/** When users and secrets were last used: kept in memory by whoever serves, written once a minute or so. */
import type { Db, Statement } from '../database.ts'

/** Different ones remembered between two flushes; beyond it, new ones are not. */
const MAX_KEYS = 50_000

const MARK_USERS: Statement = {
  name: 'mark-users-used',
  sql: `UPDATE users SET last_used_at = max(coalesce(last_used_at, 0), j.value ->> 'at')
        FROM json_each(:users) j WHERE users.id = j.value ->> 'id'`,
}
const MARK_SECRETS: Statement = {
  name: 'mark-secrets-used',
  sql: `UPDATE secrets SET last_used_at = max(coalesce(last_used_at, 0), j.value ->> 'at'),
          last_used_from = iif(coalesce(last_used_at, 0) <= j.value ->> 'at', j.value ->> 'from', last_used_from)
        FROM json_each(:secrets) j WHERE secrets.id = j.value ->> 'id'`,
}

export type UseRecorder = {
  user(id: number): void
  /** @param from an address */
  secret(id: number, from: string): void
  /** Changes nothing that anybody may do, so the access version stays. */
  flush(): Promise<void>
}

export function createUseRecorder(db: Pick<Db, 'write'>, now: () => number): UseRecorder {
  let users = new Map<number, { id: number; at: number }>()
  let secrets = new Map<number, { id: number; at: number; from: string }>()
  return {
    user(id) {
      const known = users.get(id)
      if (known !== undefined) known.at = now()
      else if (users.size < MAX_KEYS) users.set(id, { id, at: now() })
    },
    secret(id, from) {
      const known = secrets.get(id)
      if (known !== undefined) {
        known.at = now()
        known.from = from
      } else if (secrets.size < MAX_KEYS) secrets.set(id, { id, at: now(), from })
    },
    async flush() {
      if (users.size === 0 && secrets.size === 0) return
      const params = {
        users: JSON.stringify([...users.values()]),
        secrets: JSON.stringify([...secrets.values()]),
      }
      users = new Map()
      secrets = new Map()
      const steps = [{ statement: MARK_USERS }, { statement: MARK_SECRETS }]
      await db.write({ steps, params, touches: [], background: true })
    },
  }
}
