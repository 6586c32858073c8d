/**
 * One writer at a time in a folder of backups. The folder may lie on a network filesystem, where no lock can be
 * trusted: a file that is touched again and again says that its writer lives.
 */
import { closeSync, openSync, readFileSync, rmSync, statSync, utimesSync, writeSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { BackupError } from './layout.ts'

const TOUCH_EVERY_MS = 10_000
const STALE_AFTER_MS = 120_000

/** @throws BackupError: another one is at it */
export function lockBackups(folder: string, now: () => number = Date.now): { release(): void } {
  const path = join(folder, 'lock')
  takeOrRefuse(path, now)
  const timer = setInterval(() => {
    try {
      utimesSync(path, now() / 1000, now() / 1000)
    } catch {
      // The next write to the folder says what is wrong with it.
    }
  }, TOUCH_EVERY_MS)
  timer.unref()
  return {
    release() {
      clearInterval(timer)
      rmSync(path, { force: true })
    },
  }
}

function takeOrRefuse(path: string, now: () => number): void {
  for (const isLast of [false, true]) {
    try {
      const descriptor = openSync(path, 'wx', 0o600)
      writeSync(descriptor, `${hostname()} ${process.pid}\n`)
      closeSync(descriptor)
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    if (isLast || isHeld(path, now)) {
      throw new BackupError(
        `another backup is writing there (${path}). If it was killed, this is free again two minutes after its end`,
      )
    }
    rmSync(path, { force: true })
  }
}

function isHeld(path: string, now: () => number): boolean {
  const touched = statSync(path, { throwIfNoEntry: false })?.mtimeMs
  if (touched === undefined || now() - touched > STALE_AFTER_MS) return false
  const [host, pid] = readFileSync(path, 'utf8').trim().split(' ')
  // A killed one on this machine need not be waited for; in another container the same name means nothing.
  return host !== hostname() || pid === undefined || Number(pid) === process.pid || isAlive(Number(pid))
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
