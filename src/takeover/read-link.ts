/** Reads one link file; a few system calls, as there are hundreds of thousands. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { isAbsent, refusalText } from './file-errors.ts'
import { LONGEST_LINK } from './layout.ts'

type LinkFile =
  | { kind: 'link'; text: string; /** When it was written. Milliseconds. */ at: number }
  | { kind: 'absent' }
  /** Why goes after the file's name. */
  | { kind: 'refused' | 'bad'; why: string }

/** A pipe in the place of a link must not stop us; Windows has none. */
const FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)
const ABSENT: LinkFile = { kind: 'absent' }
const buffer = Buffer.alloc(LONGEST_LINK + 1)

export function readLinkFile(path: string): LinkFile {
  let file: number | undefined
  try {
    file = openSync(path, FLAGS)
    const stats = fstatSync(file)
    if (!stats.isFile()) return { kind: 'bad', why: 'is not a file' }
    const length = readSync(file, buffer, 0, buffer.byteLength, 0)
    if (length === 0) return { kind: 'bad', why: 'is empty: a write that a power cut or a full disk ended' }
    if (length > LONGEST_LINK) return { kind: 'bad', why: `has ${stats.size} bytes: that is no link` }
    return { kind: 'link', text: buffer.toString('latin1', 0, length), at: Math.floor(stats.mtimeMs) }
  } catch (error) {
    return isAbsent(error) ? ABSENT : { kind: 'refused', why: refusalText(error) }
  } finally {
    if (file !== undefined) closeSync(file)
  }
}
