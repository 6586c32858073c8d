/** Programs that the build needs. */
import { execFile } from 'node:child_process'

/** What stops a build and is no defect of it; the message says what to do. */
export class BuildError extends Error {
  override name = 'BuildError'
}

/** Which package of Debian has a program. */
const PACKAGES: Readonly<Record<string, string>> = {
  'apt-get': 'apt',
  'apt-cache': 'apt',
  'dpkg-deb': 'dpkg',
}
const MINUTES = 60_000

/**
 * Runs a program to its end.
 * @returns what it wrote to its standard output
 * @throws BuildError where the program is missing, or with the end of what it said where it failed
 */
export function run(
  program: string,
  args: readonly string[],
  { cwd, env }: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const options = { encoding: 'buffer' as const, maxBuffer: 1 << 30, timeout: 10 * MINUTES, cwd, env }
    execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout)
      const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
      reject(new BuildError(isMissing ? missing(program) : `${program} failed: ${said(stderr, stdout)}`))
    })
  })
}

function missing(program: string): string {
  const name = PACKAGES[program]
  const how =
    name === undefined
      ? 'install it'
      : `install Debian's package ${name} ("apt-get install ${name}"), or build on Debian or Ubuntu`
  return `${program} is not on this machine: ${how}`
}

function said(stderr: Buffer, stdout: Buffer): string {
  const text = (stderr.length > 0 ? stderr : stdout).toString().trim()
  return text.split('\n').slice(-8).join('\n') || 'it said nothing'
}
