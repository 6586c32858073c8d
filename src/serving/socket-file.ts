/** A unix socket leaves its file behind when its process is killed; such a file is in the way of the next start. */
import { lstat, stat, unlink } from 'node:fs/promises'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import { ListenError } from './listen-error.ts'

/**
 * Removes a socket file that nobody listens on.
 * @throws ListenError where a program does listen, the path is something other than a socket, or its folder is absent.
 */
export async function clearStaleSocket(path: string): Promise<void> {
  const entry = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
    throw new ListenError(`cannot listen on ${path}: the path cannot be looked at (${error.code})`, {
      cause: error,
    })
  })
  if (entry === undefined) return requireFolder(path)
  if (!entry.isSocket()) {
    throw new ListenError(
      `cannot listen on ${path}: it exists and is not a socket; remove it or choose another path`,
    )
  }
  if (await answers(path)) {
    throw new ListenError(
      `cannot listen on ${path}: another program listens there; stop it or choose another path`,
    )
  }
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return
    throw new ListenError(`cannot remove the stale socket ${path} (${error.code}); remove it by hand`, {
      cause: error,
    })
  })
}

/** listen(2) reports an absent folder as a lack of permission. */
async function requireFolder(path: string): Promise<void> {
  const folder = await stat(dirname(path)).catch(() => undefined)
  if (folder?.isDirectory() === true) return
  throw new ListenError(`cannot listen on ${path}: its folder does not exist; create it first`)
}

/** Only a refused connection proves that nobody listens; anything else (no permission, full backlog) counts as alive. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path })
    const done = (alive: boolean) => () => {
      socket.destroy()
      resolve(alive)
    }
    socket.once('connect', done(true))
    socket.once('error', (error: NodeJS.ErrnoException) => {
      done(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT')()
    })
    socket.setTimeout(2000, done(true))
  })
}
