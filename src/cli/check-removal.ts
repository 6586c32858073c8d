/** `berth check --remove-unknown`: files that no row knows, after somebody agreed. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { CheckParts, CheckProgress } from '../jobs/check/check-data.ts'
import type { UnknownFile } from '../jobs/check/problem.ts'
import { removalRefused, type Removed, removeUnknown } from '../jobs/check/remove-unknown.ts'
import type { CheckRequest } from './check-arguments.ts'
import type { Io } from './command.ts'
import { canAsk, confirm } from './confirm.ts'
import { bytesText } from './quantities.ts'

/** How many names a file has; of one that is not there, none. */
export const linkCountIn =
  (dataFolder: string) =>
  async (path: string): Promise<number> =>
    (await stat(join(dataFolder, path)).catch(() => undefined))?.nlink ?? 0

/** @returns undefined: nothing was to be removed, or nothing may be, and that was said */
export async function removeAfterAsking({
  request,
  parts,
  dataFolder,
  files,
  unknown,
  io,
  signal,
}: {
  request: CheckRequest
  parts: CheckParts
  dataFolder: string
  /** What was seen of the files. */
  files: CheckProgress['files']
  unknown: readonly UnknownFile[]
  io: Io
  signal: AbortSignal
}): Promise<Removed | undefined> {
  if (!request.removeUnknown || unknown.length === 0) return undefined
  const why = await removalRefused(parts.db, files, Date.now(), 1)
  if (why !== undefined) {
    io.stderr.write(`berth check: no file is removed: ${why}\n`)
    return undefined
  }
  let bytes = 0
  for (const { size } of unknown) bytes += size
  const what = `${unknown.length} files that no row knows, ${bytesText(bytes)}`
  if (!request.yes) {
    if (!canAsk(io)) {
      io.stderr.write(`berth check: to remove ${what}, say --yes\n`)
      return undefined
    }
    if (!(await confirm(`Remove ${what}?`, io))) return undefined
  }
  const removed = await removeUnknown({ ...parts, linkCount: linkCountIn(dataFolder) }, unknown, signal)
  for (const error of removed.errors) io.stderr.write(`berth check: could not be removed: ${error}\n`)
  return removed
}
