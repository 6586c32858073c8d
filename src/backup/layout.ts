/**
 * What a backup is: a folder, or a tar stream of the same names.
 *
 *   berth-backup.json               says what it is
 *   blobs/sha256/ab/<hex>           the bytes of all backups, each once
 *   backups/<id>/metadata.db        rows as of one moment; <id> is when, `2026-01-31T03-00-00-000Z`
 *   backups/<id>/backup.json        written last: without it there is no backup of that name
 *   lock                            somebody is writing
 *
 * Nothing that is there is ever written to again. A name that ends in `.part` is half of something.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RowCounts } from '../metadata/unseen-rows.ts'
import { algorithmOf, type Digest, isDigest } from '../oci/digest.ts'

export const FORMAT = 1
export const ROOT_FILE = 'berth-backup.json'
export const ROOT_TEXT = `${JSON.stringify(
  {
    format: FORMAT,
    what: 'backups of a Berth registry; "berth restore" reads them, "berth backup prune" removes old ones',
  },
  undefined,
  2,
)}\n`
export const PART = '.part'
export const SHARDS = Array.from({ length: 256 }, (_, index) => index.toString(16).padStart(2, '0'))

export const hexOf = (digest: Digest): string => digest.slice(digest.indexOf(':') + 1)

/** With slashes, below the backup's folder. */
export function blobName(digest: Digest): string {
  return `blobs/${algorithmOf(digest)}/${hexOf(digest).slice(0, 2)}/${hexOf(digest)}`
}

/** The inverse of {@link blobName}. Undefined: another name. */
export function digestOfName(name: string): Digest | undefined {
  const [, algorithm, shard, hex] = /^blobs\/(sha256|sha512)\/([0-9a-f]{2})\/([0-9a-f]+)$/.exec(name) ?? []
  const digest = `${algorithm}:${hex}`
  return isDigest(digest) && hex?.startsWith(shard as string) === true ? digest : undefined
}

const ID = /^(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d)-(\d{3})Z$/

export function idOf(at: number): string {
  return new Date(at).toISOString().replace(/[:.]/g, '-')
}

export function isId(name: string): boolean {
  return ID.test(name)
}

/** What `backup.json` says. */
export type BackupRecord = {
  format: number
  id: string
  /** ISO. */
  at: string
  /** The version of Berth that made it. */
  version: string
  schema: number
  metadata: { size: number; sha256: string }
  rows: RowCounts
  /** What this backup added to the folder. */
  copied: { blobs: number; bytes: number }
  /** Blobs that could not be copied: the first of them, and how many there are. */
  missing: { count: number; first: MissingBlob[] }
  /** Images that they belong to, as `repository:tag` or `repository@digest`; some of them. */
  incomplete: string[]
}

/** gone: its file was not there, or of another size; damaged: its bytes do not have its digest. */
export type MissingBlob = { digest: Digest; size: number; why: 'gone' | 'damaged' }

/** Names of the parts of one backup, below the folder. */
export function backupNames(id: string): { folder: string; metadata: string; record: string } {
  return {
    folder: `backups/${id}`,
    metadata: `backups/${id}/metadata.db`,
    record: `backups/${id}/backup.json`,
  }
}

export class BackupError extends Error {
  override readonly name = 'BackupError'
}

/** @throws BackupError: the text is not a record that this version understands */
export function parseRecord(text: string, where: string): BackupRecord {
  let record: Partial<BackupRecord> | undefined
  try {
    record = JSON.parse(text) as Partial<BackupRecord>
  } catch {
    record = undefined
  }
  if (record?.format !== undefined && record.format > FORMAT)
    throw new BackupError(`${where} was written by a newer Berth: use that one`)
  const isWhole =
    typeof record?.id === 'string' &&
    isId(record.id) &&
    typeof record.metadata?.sha256 === 'string' &&
    record.missing !== undefined
  if (!isWhole) throw new BackupError(`${where} is damaged`)
  return record as BackupRecord
}

/**
 * The backups in a folder, oldest first.
 * @throws BackupError: it is not a folder of backups
 */
export function listBackups(folder: string): BackupRecord[] {
  requireBackupFolder(folder)
  return namesIn(join(folder, 'backups'))
    .filter(isId)
    .sort()
    .flatMap((id) => {
      const path = join(folder, backupNames(id).record)
      const text = readIfThere(path)
      return text === undefined ? [] : [parseRecord(text, path)]
    })
}

/** @throws BackupError */
export function requireBackupFolder(folder: string): void {
  const text = readIfThere(join(folder, ROOT_FILE))
  if (text === undefined)
    throw new BackupError(`${folder} has no backups of Berth (there is no ${ROOT_FILE})`)
  const { format } = JSON.parse(text) as { format?: number }
  if (format !== FORMAT) throw new BackupError(`${folder} was written by a newer Berth: use that one`)
}

/** Names in a folder; none where it is not there. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw error
  }
}
