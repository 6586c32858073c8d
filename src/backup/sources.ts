/** Backups to restore: one of a folder, or a tar stream. */
import { createReadStream, createWriteStream, existsSync } from 'node:fs'
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { blobRows } from './blob-rows.ts'
import { concurrently } from '../lib/concurrently.ts'
import { hashFile } from './hash-file.ts'
import { BackupError, backupNames, type BackupRecord, blobName, digestOfName, listBackups } from './layout.ts'
import type { BackupSource } from './restore.ts'
import { readTar } from './tar.ts'

const AT_A_TIME = 8
const CHUNK = 512 * 1024

/**
 * The newest backup, or the newest that is not later than `at`.
 * @throws BackupError: there is none
 */
export function chooseBackup(folder: string, at: number | undefined): BackupRecord {
  const backups = listBackups(folder)
  const chosen = backups.filter((one) => at === undefined || Date.parse(one.at) <= at).at(-1)
  if (chosen !== undefined) return chosen
  const all = backups.map((one) => one.at).join(', ')
  throw new BackupError(
    backups.length === 0
      ? `there is no complete backup in ${folder}`
      : `there is no backup of that time or earlier in ${folder}; there are: ${all}`,
  )
}

export function folderSource(folder: string, { id, metadata }: BackupRecord): BackupSource {
  return async (sink) => {
    const path = join(folder, backupNames(id).metadata)
    const { connection } = await sink.metadata(id, async (draft) => {
      await copyFile(path, draft)
      const { sha256 } = await hashFile(draft)
      if (sha256 !== metadata.sha256)
        throw new BackupError(`${path} is damaged: choose another backup (--at)`)
    })
    await concurrently(blobRows(connection), AT_A_TIME, async ({ digest }) => {
      const blob = join(folder, blobName(digest))
      if (existsSync(blob)) await sink.blob(digest, () => createReadStream(blob, { highWaterMark: CHUNK }))
    })
  }
}

/** @param input its end must come: half an archive is refused, and what was restored of it goes on with a whole one */
export function tarSource(input: Readable): BackupSource {
  return async (sink) => {
    let id = ''
    let hasRecord = false
    await readTar(input, async ({ name, body }) => {
      const [, backup, file] = /^backups\/([^/]+)\/(metadata\.db|backup\.json)$/.exec(name) ?? []
      const digest = digestOfName(name)
      if (file === 'metadata.db') {
        if (id !== '')
          throw new BackupError(
            'the archive has more than one backup: unpack it, and restore from the folder',
          )
        id = backup as string
        await sink.metadata(id, (draft) =>
          pipeline(Readable.from(body), createWriteStream(draft, { mode: 0o600 })),
        )
      } else if (file === 'backup.json') hasRecord = backup === id
      else if (digest !== undefined) await sink.blob(digest, () => body)
    })
    if (!hasRecord)
      throw new BackupError('the archive does not end as a backup does: it is only a part of one')
  }
}
