/**
 * What a test needs of the machine. Where it is missing the test is skipped, loudly: the reason stands in the
 * report. Where CI is set, it fails instead: a green run must have tried everything.
 */
import { execFileSync } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** The path of a program, or undefined. */
export function programPath(name: string): string | undefined {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, name)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      continue
    }
  }
  return undefined
}

/**
 * For `test({ skip })`: false when all programs are there.
 * @throws under CI, naming what is missing
 */
export function missingPrograms(...names: string[]): string | false {
  const missing = names.filter((name) => programPath(name) === undefined)
  if (missing.length === 0) return false
  const reason = `SKIPPED: not on this machine: ${missing.join(', ')} (test/clients/install.sh installs them)`
  if (process.env['CI']) throw new Error(reason)
  return reason
}

/** For `test({ skip })`: false when file systems can be mounted here. */
export function cannotMount(): string | false {
  if (process.platform !== 'linux') return 'SKIPPED: needs Linux'
  if (process.getuid?.() !== 0) return 'SKIPPED: needs root, to mount'
  if (mountRefused()) return 'SKIPPED: mounts are not permitted here'
  return false
}

/** For `test({ skip })`: false when loop devices can be had. Where root has them, missing tools fail under CI. */
export function cannotMountImages(...programs: string[]): string | false {
  const mounts = cannotMount()
  if (mounts !== false) return mounts
  if (!existsSync('/dev/loop-control')) return 'SKIPPED: no loop devices here'
  return missingPrograms('losetup', ...programs)
}

function mountRefused(): boolean {
  try {
    execFileSync('unshare', ['-m', 'true'], { stdio: 'ignore' })
    return false
  } catch {
    return true
  }
}
