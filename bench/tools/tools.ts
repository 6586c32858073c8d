/** The programs that make the load. None of them is JavaScript: the client must not be what is measured. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, globSync } from 'node:fs'
import { join } from 'node:path'
import { programPath } from '../../test/lib/prerequisite.ts'
import { BenchFailure } from '../failure.ts'

export type Tools = {
  /** Path of the client compiled from bench/client. */
  client: string
  /** The client speaks TLS. */
  clientHasTls: boolean
  wrk: string | undefined
  strace: string | undefined
  taskset: string | undefined
  openssl: string | undefined
}

const CLIENT_FOLDER = new URL('../client', import.meta.url).pathname

/**
 * @param folder where the compiled client goes
 * @throws BenchFailure without a C compiler
 */
export function prepareTools(folder: string): Tools {
  const client = join(folder, 'client')
  return {
    client,
    clientHasTls: compileClient(client),
    wrk: programPath('wrk'),
    strace: programPath('strace'),
    taskset: programPath('taskset'),
    openssl: programPath('openssl'),
  }
}

/** @returns whether it could be linked with OpenSSL */
function compileClient(client: string): boolean {
  const compiler = programPath('cc')
  if (compiler === undefined)
    throw new BenchFailure(
      'a C compiler (cc) is needed for the client; on Debian: apt-get install build-essential',
    )
  const sources = globSync('*.c', { cwd: CLIENT_FOLDER }).map((name) => join(CLIENT_FOLDER, name))
  const common = ['-std=gnu11', '-O2', '-o', client, ...sources, '-pthread']
  if (existsSync('/usr/include/openssl/ssl.h')) {
    try {
      execFileSync(compiler, [...common, '-DWITH_OPENSSL', '-lssl', '-lcrypto'], { stdio: 'pipe' })
      return true
    } catch {
      // Headers without the libraries: the client's own SHA-256 then, and no TLS.
    }
  }
  execFileSync(compiler, common, { stdio: 'pipe' })
  return false
}

/** What a program says about itself; it may end with any code. */
export function outputOf(command: string, args: readonly string[]): string {
  const { stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', timeout: 10_000 })
  return stdout || stderr || ''
}

export const firstLine = (command: string, args: readonly string[]): string =>
  outputOf(command, args).split('\n')[0] as string
