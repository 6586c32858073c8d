/** Runs the C client. */
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { BenchFailure } from '../failure.ts'
import { commandOn } from '../machine/pin.ts'
import type { Asked, Figures, Server } from './figures.ts'

export type PushShape = 'patch' | 'put' | 'post'

type PushWork = {
  connections: number
  shape: PushShape
  repository: string
  /** At most 40 characters; another one makes other blobs. */
  seed: string
  size: number
  /** Blobs (or images) in all; absent: until `seconds` are over. */
  count?: number
  seconds?: number
  blobsPerImage?: number
}

export type Client = {
  /** Sends the requests of the file over and over for the time, or `count` of them. */
  pull(
    server: Server,
    work: { requests: string; connections: number; seconds: number; count?: number },
  ): Promise<Figures>
  push(server: Server, work: PushWork): Promise<Figures>
  /** Sends a `GET /v2/` each `everyMs`, whether those before were answered or not. */
  probe(server: Server, work: { everyMs: number; seconds: number }): Promise<Figures>
  /** Opens connections that ask and never read. Ends when the time is over. */
  stall(server: Server, work: { requests: string; connections: number; seconds: number }): Promise<Figures>
}

/** @param cpu the processor it is bound to; undefined: all */
export function createClient(path: string, cpu: number | undefined): Client {
  const run = (mode: string, server: Server, options: Record<string, string | number>): Promise<Figures> => {
    const { port, isTls, authorization = '' } = server
    const all = { port, tls: isTls ? 'yes' : 'no', authorization, ...options }
    const args = Object.entries(all).flatMap(([name, value]) => [`--${name}`, String(value)])
    return runClient(...commandOn(cpu, path, [mode, ...args]))
  }
  return {
    pull: (server, work) => run('pull', server, work),
    stall: (server, work) => run('stall', server, work),
    probe: (server, { everyMs, seconds }) => run('probe', server, { seconds, every: everyMs / 1000 }),
    push: (server, { count = 0, seconds = 0, blobsPerImage = 0, ...work }) =>
      run('push', server, { ...work, count, seconds, 'blobs-per-image': blobsPerImage }),
  }
}

function runClient(command: string, args: string[]): Promise<Figures> {
  return new Promise((resolve, reject) => {
    execFile(command, args, { timeout: 900_000 }, (error, stdout, stderr) => {
      if (error === null) resolve(JSON.parse(stdout) as Figures)
      else reject(new BenchFailure(stderr.trim() || error.message))
    })
  })
}

export function writeRequests(file: string, requests: readonly Asked[]): void {
  const lines = requests.map(({ method, path, status, length, header }) =>
    [method, path, status, length ?? -1, header ?? ''].join('\t'),
  )
  writeFileSync(file, `${lines.join('\n')}\n`)
}
