/** Names that users of the database have: the same name elsewhere is nobody's then, however it was given out before. */
import { createBoundedMap } from '../lib/bounded-map.ts'
import { findAccessVersion, recallAccessVersion } from '../metadata/access/version.ts'
import { findUserByName } from '../metadata/access/users.ts'
import type { Db } from '../metadata/database.ts'

export type IsTaken = (name: string) => boolean | Promise<boolean>

const MOST = 10_000

/** Without waiting where it is known that nobody has it, and nothing has changed since. */
export function createTakenNames(db: Pick<Db, 'cached' | 'recall'>): IsTaken {
  const free = createBoundedMap<number>({ most: MOST })
  async function look(name: string): Promise<boolean> {
    // First, so that who is made meanwhile raises it.
    const { version } = await findAccessVersion(db)
    if ((await findUserByName(db, name)) !== undefined) return true
    free.set(name, version)
    return false
  }
  return (name) => {
    const known = free.get(name)
    return known !== undefined && known === recallAccessVersion(db)?.version ? false : look(name)
  }
}
