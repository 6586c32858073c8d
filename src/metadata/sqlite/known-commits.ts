/** How many commits snapshots know of: what orders them, whatever the clock said when they were made. */
import type { DatabaseSync } from 'node:sqlite'
import { type Frozen, openFrozen } from './frozen.ts'
import { listSnapshots } from './snapshot.ts'

/** More than there can have been between the last snapshot and the end of the database that it was of. */
const GAP = 1_000_000_000

/** @returns undefined: it cannot be read */
export function commitsOf(snapshot: string): number | undefined {
  let frozen: Frozen | undefined
  try {
    frozen = openFrozen(snapshot)
    return (frozen.connection.prepare('SELECT seq FROM commits').get() as { seq: number }).seq
  } catch {
    return undefined
  } finally {
    frozen?.close()
  }
}

/**
 * A database that snapshots know more of than it does itself is an older copy that somebody put in its place. What is
 * committed from now on counts on beyond all that was, so that a rebuild does not take one for the other.
 */
export function countBeyond(connection: DatabaseSync, snapshots: string): void {
  const known = Math.max(-1, ...listSnapshots(snapshots).map(({ path }) => commitsOf(path) ?? -1))
  const { seq } = connection.prepare('SELECT seq FROM commits').get() as { seq: number }
  if (seq < known) connection.prepare('UPDATE commits SET seq = ? WHERE seq < ?').run(known + GAP, known)
}
