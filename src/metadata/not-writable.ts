/** Why a path may not be written, in words that also help where it was mounted into a container. */
import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/** Goes after what is refused: `the data folder … cannot be written by user 1000: it belongs to …`. */
export function notWritableText(path: string): string {
  const found = nearestThere(path)
  const { uid, gid, mode } = statSync(found)
  const user = process.geteuid?.()
  const what = found === path ? 'it' : found
  const rights = `mode 0${(mode & 0o7777).toString(8)}`
  if (user === undefined) return 'cannot be written by this user: change its rights'
  if (user === uid) {
    return (
      `cannot be written by user ${user}, although ${what} belongs to that user (${rights}): give it the right to write (chmod u+rwx); where the mode ` +
      'has it, something else forbids it: on a host with SELinux, mount it into a container with :Z at the end (-v FOLDER:PATH:Z)'
    )
  }
  return (
    `cannot be written by user ${user}: ${what} belongs to user ${uid}, group ${gid} (${rights}). Give it to user ${user} (chown -R ${user}; for a container ` +
    `on the host, the folder that is mounted there), or run as user ${uid} (docker run --user ${uid}:${gid})`
  )
}

/** The first of these that is there and that this user may not write. */
export function firstNotWritable(paths: readonly string[]): string | undefined {
  return paths.find((path) => existsSync(path) && !isWritable(path))
}

function isWritable(path: string): boolean {
  try {
    const needed = statSync(path).isDirectory() ? constants.W_OK | constants.X_OK : constants.W_OK
    accessSync(path, constants.R_OK | needed)
    return true
  } catch {
    return false
  }
}

/** What has to be written so that the path can be made; the path itself where it is there. */
function nearestThere(path: string): string {
  try {
    statSync(path)
    return path
  } catch {
    return path === dirname(path) ? path : nearestThere(dirname(path))
  }
}
