/** Where an object's bytes lie: `berth/objects/<2>/<id>.part` while it grows, then `<id>.<algorithm>-<hex>` there. */
import { join, resolve, sep } from 'node:path'
import { isDigest, type Digest } from '../../oci/digest.ts'
import type { ObjectId, StoredObject } from '../blob-store.ts'

const ID = /^[0-9a-f]{32}$/
const FILE = /^([0-9a-f]{32})\.(?:part|(sha256|sha512)-([0-9a-f]+))$/

/** The 256 folders' names, in order. */
export const FOLDERS = Array.from({ length: 256 }, (_, index) => index.toString(16).padStart(2, '0'))

export type Names = {
  /** What berth keeps in the data folder. */
  berth: string
  objects: string
  /** The folder of an object. */
  folder(id: ObjectId): string
  part(id: ObjectId): string
  finished(id: ObjectId, digest: Digest): string
  /** Where Distribution put it. @throws if the path leads out of the data folder */
  takenOver(path: string): string
}

export function createNames(root: string): Names {
  const base = resolve(root)
  const berth = join(base, 'berth')
  const objects = join(berth, 'objects')
  const folder = (id: ObjectId): string => {
    if (!ID.test(id)) throw new Error('an object id has 32 hexadecimal digits in lower case')
    return join(objects, id.slice(0, 2))
  }
  return {
    berth,
    objects,
    folder,
    part: (id) => join(folder(id), `${id}.part`),
    finished: (id, digest) => join(folder(id), `${id}.${digest.replace(':', '-')}`),
    takenOver(path) {
      const file = resolve(base, path)
      const inside = file.startsWith(base.endsWith(sep) ? base : base + sep)
      if (!inside || path.includes('\0'))
        throw new Error('the path of an object leads out of the data folder')
      return file
    },
  }
}

/** What a file's name says; undefined for a name that is not ours. */
export function parseName(name: string): { object: StoredObject; finished: boolean } | undefined {
  const [, id, algorithm, hex] = FILE.exec(name) ?? []
  if (id === undefined) return undefined
  if (algorithm === undefined) return { object: { id: id as ObjectId }, finished: false }
  const digest = `${algorithm}:${hex}`
  return isDigest(digest) ? { object: { id: id as ObjectId, digest }, finished: true } : undefined
}
