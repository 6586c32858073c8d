/** Whether a data folder holds something of CNCF Distribution, and whether that can be taken over as it is. */
import { accessSync, constants, existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { isAbsent, refusalText } from './file-errors.ts'
import { DISTRIBUTION_ROOT } from './found.ts'
import { BLOBS_PATH, REPOSITORIES_PATH } from './layout.ts'

type Inspected =
  | { kind: 'nothing' }
  /** `notes`: what whoever runs it should know. */
  | { kind: 'found'; notes: readonly string[] }
  /** `why`: what is wrong and what to do. */
  | { kind: 'refused'; why: string }

/** A few looks, whatever the size of the folder. */
export function inspectFolder(dataFolder: string): Inspected {
  const v2 = join(dataFolder, DISTRIBUTION_ROOT)
  try {
    if (!existsSync(v2)) return { kind: 'nothing' }
    if (!statSync(v2).isDirectory())
      return refused(`${v2} is a file, and not the folder of CNCF Distribution`)
    const entries = new Set(readdirSync(v2))
    const hasBlobs = entries.has('blobs') && holds(join(dataFolder, BLOBS_PATH))
    const hasRepositories = entries.has('repositories') && holds(join(dataFolder, REPOSITORIES_PATH))
    if (!hasBlobs && !hasRepositories) return { kind: 'nothing' }
    if (!hasRepositories) return refused(`${v2} has blobs but no repositories. ${HALF}`)
    if (!hasBlobs && hasLinks(join(dataFolder, REPOSITORIES_PATH)))
      return refused(`${v2} has repositories but no blobs. ${HALF}`)
    return { kind: 'found', notes: notesOn(dataFolder) }
  } catch (error) {
    return refused(`the folder of CNCF Distribution ${v2} ${refusalText(error)}`)
  }
}

const HALF =
  'Only a part of it was copied: copy all of it, with the registry that writes to it stopped, then start again'

const refused = (why: string): Inspected => ({ kind: 'refused', why })

function holds(folder: string): boolean {
  return readdirSync(folder).length > 0
}

/** Whether one of the first repositories has more than unfinished uploads. */
function hasLinks(folder: string, depth = 0): boolean {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .slice(0, 20)
    .some(
      ({ name }) =>
        name === '_manifests' ||
        name === '_layers' ||
        (!name.startsWith('_') && depth < 5 && hasLinks(join(folder, name), depth + 1)),
    )
}

function notesOn(dataFolder: string): string[] {
  const notes: string[] = []
  if (existsSync(join(dataFolder, 'scheduler-state.json'))) {
    notes.push(
      'this folder was the cache of a CNCF Distribution in proxy mode: what it has cached becomes ordinary content, ' +
        'that anyone who may can push to and delete, and that does not expire',
    )
  }
  if (!isWritable(join(dataFolder, BLOBS_PATH))) {
    notes.push(
      `this user (${process.getuid?.() ?? 'unknown'}) may not write below ${DISTRIBUTION_ROOT}/blobs: all of it is served, ` +
        'but what is deleted frees no space. Change the owner of the folder to have that',
    )
  }
  return notes
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK)
    return true
  } catch (error) {
    return isAbsent(error)
  }
}
