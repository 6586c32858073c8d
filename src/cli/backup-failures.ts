/** What `backup`, `restore` and `rebuild` say of what they cannot do. */
import { BackupError } from '../backup/layout.ts'
import { DatabaseFullError, DatabaseRefusedError } from '../metadata/database.ts'
import { UnreadableError } from '../takeover/folder-reader.ts'
import type { Io } from './command.ts'

/** Errors of the system that are nobody's defect: said, and the command ends with 1. */
const SYSTEM: Readonly<Record<string, string>> = {
  ENOSPC: 'there is no room left. Make room and run it again',
  EDQUOT: 'the quota is used up. Make room and run it again',
  EACCES: 'this user may not read or write there',
  EPERM: 'this user may not read or write there',
  EROFS: 'it is mounted read-only',
  ENOENT: 'there is no such file or folder',
  ENOTDIR: 'it is not a folder',
  EISDIR: 'it is a folder',
  EIO: 'the disk cannot be read or written',
  EPIPE: 'whoever was to read it has ended',
}

/** @throws what is a defect of the program */
export async function tellingFailures(
  command: string,
  { stderr }: Io,
  work: () => Promise<number>,
): Promise<number> {
  try {
    return await work()
  } catch (error) {
    const said = textOf(error)
    if (said === undefined) throw error
    stderr.write(`berth ${command}: ${said}\n`)
    return 1
  }
}

function textOf(error: unknown): string | undefined {
  const { name, message, code, path } = error as Error & { code?: string; path?: string }
  if (
    error instanceof BackupError ||
    error instanceof DatabaseRefusedError ||
    error instanceof UnreadableError
  )
    return message
  if (error instanceof DatabaseFullError) return 'there is no room left for the metadata'
  if (name === 'AbortError') return 'ended before it was done: run it again'
  if (/^(Tar |Invalid (tar|EOF))/.test(message)) return `it is no whole tar archive: ${message}`
  const known = code === undefined ? undefined : SYSTEM[code]
  if (known !== undefined) return path === undefined ? known : `${path}: ${known}`
  const { errcode } = error as { errcode?: number }
  return errcode === 13 ? SYSTEM['ENOSPC'] : undefined
}

/** Aborted by SIGINT and SIGTERM; for what has no data of a registry open. */
export async function untilInterrupted<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const end = (): void => controller.abort()
  process.once('SIGINT', end)
  process.once('SIGTERM', end)
  try {
    return await work(controller.signal)
  } finally {
    process.off('SIGINT', end)
    process.off('SIGTERM', end)
  }
}
