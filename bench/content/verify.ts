/** Checks one answer against what was seeded: before a row is timed, and after it. */
import { createHash } from 'node:crypto'
import { BenchFailure } from '../failure.ts'
import type { Exchange } from './exchange.ts'

export type Check = {
  path: string
  header?: string | undefined
  /** 206 for a range. */
  status?: number
  /** Of the body's bytes. */
  digest?: string
  /** Says what is wrong with the parsed JSON, or nothing. */
  json?: (document: unknown) => string | undefined
}

/** @throws BenchFailure on a wrong status or a wrong body */
export async function verify(
  exchange: Exchange,
  { path, header, status = 200, digest, json }: Check,
): Promise<void> {
  const hash = createHash('sha256')
  const pieces: Buffer[] = []
  const [name, value] = header?.split(/:\s*/) ?? []
  await exchange.expect(status, 'GET', path, {
    ...(name !== undefined && value !== undefined && { headers: { [name]: value } }),
    onData: (piece) => {
      hash.update(piece)
      if (json !== undefined) pieces.push(piece)
    },
  })
  const got = `sha256:${hash.digest('hex')}`
  if (digest !== undefined && got !== digest)
    throw new BenchFailure(`GET ${path}: a wrong body: its digest is ${got}, ${digest} was expected`)
  const wrong = json?.(parse(path, Buffer.concat(pieces)))
  if (wrong !== undefined) throw new BenchFailure(`GET ${path}: a wrong body: ${wrong}`)
}

function parse(path: string, body: Buffer): unknown {
  try {
    return JSON.parse(body.toString())
  } catch {
    throw new BenchFailure(`GET ${path}: a wrong body: not JSON: ${body.toString('utf8', 0, 100)}`)
  }
}
