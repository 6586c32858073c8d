/** Which data folder a person means by a path somewhere in or above it. */
import { readdirSync, realpathSync, statSync } from 'node:fs'
import { dirname, join, resolve, sep } from 'node:path'
import { refusalText } from './file-errors.ts'
import { DISTRIBUTION_ROOT } from './found.ts'

type DataFolder = { kind: 'found'; folder: string } | { kind: 'none'; why: string }

/** Folders between the data folder and what is in it. */
const DEPTH = DISTRIBUTION_ROOT.split('/').length

/**
 * The data folder is Distribution's `rootdirectory`; the path may also be `docker`, `docker/registry` or
 * `docker/registry/v2` in it.
 */
export function findDataFolder(path: string): DataFolder {
  const asked = resolve(path)
  try {
    if (!statSync(asked).isDirectory()) return { kind: 'none', why: `${asked} is a file` }
    realpathSync(asked)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return {
      kind: 'none',
      why: code === 'ENOENT' ? `there is no folder ${asked}` : `${asked} ${refusalText(error)}`,
    }
  }
  let folder = asked
  for (let up = 0; up <= DEPTH; up++) {
    const isInside = asked === folder || join(folder, DISTRIBUTION_ROOT, sep).startsWith(asked + sep)
    if (isInside && isThere(join(folder, DISTRIBUTION_ROOT))) return { kind: 'found', folder }
    folder = dirname(folder)
  }
  const below = childrenOf(asked).find((child) => isThere(join(child, DISTRIBUTION_ROOT)))
  const hint =
    below === undefined ? 'give the folder that Distribution has as rootdirectory' : `did you mean ${below}?`
  return { kind: 'none', why: `there is no ${DISTRIBUTION_ROOT} in ${asked}: ${hint}` }
}

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined
}

function childrenOf(folder: string): string[] {
  try {
    return readdirSync(folder).map((name) => join(folder, name))
  } catch {
    return []
  }
}
