/** A peer from a file: any registry that can be started by a command and listens on a port of 127.0.0.1. */
import { readFileSync } from 'node:fs'
import { BenchFailure } from '../failure.ts'
import type { Around, Launch, Peer } from './peer.ts'

/**
 * The form of the file. In the texts {port} and {folder} stand for what the benchmark chose; with `tls`, {certificate}
 * and {key} for the files to serve with.
 */
type Given = {
  name: string
  command: string[]
  version?: string
  env?: Record<string, string>
  /** Written before the start: path → text. */
  files?: Record<string, string>
  /** Where it listens, if that cannot be chosen. */
  port?: number
  /** A second command, for rows over TLS. */
  tls?: { command: string[]; files?: Record<string, string> }
}

/** @throws BenchFailure */
export function readPeer(file: string): Peer & { port?: number } {
  let given: Given
  try {
    given = JSON.parse(readFileSync(file, 'utf8')) as Given
  } catch (error) {
    throw new BenchFailure(`--peer ${file}: ${(error as Error).message}`, { cause: error })
  }
  const isWhole = typeof given.name === 'string' && Array.isArray(given.command) && given.command.length > 0
  if (!isWhole) throw new BenchFailure(`--peer ${file}: needs "name" and "command" (a list of words)`)
  return {
    name: given.name,
    version: given.version ?? given.name,
    configuration: given.command.join(' '),
    hasTls: given.tls !== undefined,
    ...(given.port !== undefined && { port: given.port }),
    launch: (around) => {
      const how = around.tls === undefined ? given : (given.tls ?? given)
      const [command = '', ...args] = how.command.map((word) => fill(word, around))
      return {
        command,
        args,
        ...(given.env && { env: fillAll(given.env, around) }),
        ...filesOf(how.files, around),
      }
    },
  }
}

function filesOf(files: Record<string, string> | undefined, around: Around): Pick<Launch, 'files'> {
  return files === undefined ? {} : { files: fillAll(files, around) }
}

function fillAll(texts: Record<string, string>, around: Around): Record<string, string> {
  return Object.fromEntries(
    Object.entries(texts).map(([key, value]) => [fill(key, around), fill(value, around)]),
  )
}

function fill(text: string, { folder, port, tls }: Around): string {
  return text
    .replaceAll('{port}', String(port))
    .replaceAll('{folder}', folder)
    .replaceAll('{certificate}', tls?.certificate ?? '')
    .replaceAll('{key}', tls?.key ?? '')
}
