/** What a command says where the data cannot be read or written, in place of a stack. */
import { DatabaseBusyError, DatabaseFullError, DatabaseLostError } from '../metadata/database.ts'

const NO_ROOM =
  'there is no room left on the disk of the data. "berth trash empty" and "berth gc" work also then and free some; say this again after that'
const READ_ONLY =
  'the data lie on a file system that is mounted read-only: mount it so that it can be written'

const BY_CODE: ReadonlyMap<string, string> = new Map([
  ['ENOSPC', NO_ROOM],
  ['EDQUOT', NO_ROOM],
  ['EROFS', READ_ONLY],
])
/** https://www.sqlite.org/rescode.html#corrupt and #notadb */
const DAMAGED: ReadonlySet<number | undefined> = new Set([11, 26])

/** @returns undefined: this is a defect of the program */
export function whyDataFailed(error: unknown): string | undefined {
  if (error instanceof DatabaseFullError) return NO_ROOM
  if (error instanceof DatabaseBusyError)
    return 'another program holds the metadata database: try again in a moment'
  if (error instanceof DatabaseLostError)
    return 'the metadata database did not answer; whether this was done is not known: look, and say it again'
  const { code, errcode, message } = error as Error & { code?: string; errcode?: number }
  if (code === 'ERR_SQLITE_ERROR' && DAMAGED.has(errcode === undefined ? undefined : errcode & 0xff))
    return `the metadata database is damaged (${message}): end every Berth on this folder and run "berth rebuild", which makes it again and keeps the damaged one aside`
  return BY_CODE.get(code ?? '')
}
