/** All that Distribution has of one repository, read with synchronous calls: for a thread of its own, or a command. */
import { readFileSync } from 'node:fs'
import type { RepositoryName } from '../oci/reference.ts'
import { isAbsent, refusalText } from './file-errors.ts'
import type { FoundBatch } from './found.ts'
import { MANIFESTS, UPLOADS } from './layout.ts'
import { readBlobs } from './read-blobs.ts'
import { readManifests } from './read-manifests.ts'
import {
  createReading,
  isFolder,
  listNames,
  type Reading,
  statFile,
  tellUnknown,
} from './repository-reading.ts'
import { readTags } from './read-tags.ts'

/**
 * Gives what Distribution would serve, in batches of bounded size: blobs, then manifests, then tags; with each what is
 * wrong there. Memory grows by about 300 bytes a digest of this one repository. Writes nothing.
 *
 * A manifest that only Distribution 2.x serves, since it is linked among the layers, comes after the others and before
 * all tags. Nothing comes for a repository that is not there.
 */
export function* readRepository(dataFolder: string, name: RepositoryName): Generator<FoundBatch> {
  const reading = createReading(dataFolder, name)
  yield* readBlobs(reading)
  yield* readManifests(reading)
  yield* readTags(reading)
  for (const entry of listNames(reading, MANIFESTS)) {
    if (entry !== 'revisions' && entry !== 'tags') tellUnknown(reading, `${MANIFESTS}/${entry}`)
  }
  for (const id of listNames(reading, UPLOADS)) {
    tellUpload(reading, id)
    if (reading.isFull()) yield reading.batch({})
  }
  const last = reading.batch({})
  if (last.findings.length > 0) yield last
}

function tellUpload(reading: Reading, id: string): void {
  const folder = `${UPLOADS}/${id}`
  if (!isFolder(`${reading.folder}/${folder}`)) {
    tellUnknown(reading, folder)
    return
  }
  const data = statFile(reading, `${reading.folder}/${folder}/data`, `${folder}/data`)
  const startedAt = readStart(reading, folder)
  if (data === 'refused' || (data === 'absent' && startedAt === undefined)) return
  const bytes = data === 'absent' ? 0 : data.size
  reading.find(
    'unfinished-upload',
    `upload ${id}, begun ${startedAt ?? 'at an unknown time'}, ${bytes} bytes so far: nobody can go on with it, and its file is left alone`,
    { bytes },
  )
}

function readStart(reading: Reading, folder: string): string | undefined {
  try {
    const text = readFileSync(`${reading.folder}/${folder}/startedat`, 'latin1').slice(0, 40)
    return /^[0-9T:.Z+-]+$/.test(text.trim()) ? text.trim() : undefined
  } catch (error) {
    if (!isAbsent(error)) reading.find('not-readable', `${folder}/startedat ${refusalText(error)}`)
    return undefined
  }
}
