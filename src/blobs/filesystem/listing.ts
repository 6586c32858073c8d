/** Looks for objects by their names: for the scrub, and where only the id is known. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { ListedObject, ObjectId, StoredObject } from '../blob-store.ts'
import { ifThere } from './calls.ts'
import { FOLDERS, parseName, type Names } from './names.ts'

/** All objects in order of id, one folder in memory at a time. What was taken over is known to rows only. */
export async function* listObjects(names: Names, after: ObjectId | undefined): AsyncIterable<ListedObject> {
  const first = after === undefined ? '' : after.slice(0, 2)
  for (const folder of FOLDERS) {
    if (folder < first) continue
    const path = join(names.objects, folder)
    const files = (await ifThere(readdir(path))) ?? []
    for (const file of files.toSorted()) {
      const parsed = parseName(file)
      if (parsed === undefined || (after !== undefined && parsed.object.id <= after)) continue
      const stats = await ifThere(stat(join(path, file)))
      if (stats === undefined) continue
      yield { ...parsed, size: stats.size, modifiedAt: Math.floor(stats.mtimeMs) }
    }
  }
}

/** The finished object of this id, if there is one: reads the whole folder, so only where the digest is not known. */
export async function findFinished(names: Names, id: ObjectId): Promise<StoredObject | undefined> {
  for (const file of (await ifThere(readdir(names.folder(id)))) ?? []) {
    if (!file.startsWith(id)) continue
    const parsed = parseName(file)
    if (parsed?.finished === true) return parsed.object
  }
  return undefined
}
