/** What the image says of itself: all of it follows from the source, so that two builds of one source say the same. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { TIME } from './tar.ts'
import type { About } from './image-config.ts'

/** @param revision what is said of it instead of asking git */
export function aboutSource(root: string, revision?: string): About {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  const commit = git(root, 'rev-parse', 'HEAD')
  const isChanged = (git(root, 'status', '--porcelain', '--untracked-files=no') ?? '') !== ''
  const seconds = process.env['SOURCE_DATE_EPOCH'] || git(root, 'log', '-1', '--format=%ct')
  const created = seconds === undefined ? TIME : new Date(Number(seconds) * 1000)
  return {
    version,
    revision: revision ?? (commit && `${commit}${isChanged ? '-changed' : ''}`),
    created: created.toISOString().replace('.000Z', 'Z'),
  }
}

/** What git says of the repository; undefined where there is no git, or this is no clone. */
function git(root: string, ...args: string[]): string | undefined {
  try {
    return execFileSync('git', args, {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  } catch {
    return undefined
  }
}
