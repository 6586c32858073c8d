/** One request and its answer, with headers that no polite client sends. */
import { type Agent, request } from 'node:http'

export type RawAnswer = { status: number; text: string; headers: NodeJS.Dict<string | string[]> }

/** @throws where the connection broke before an answer was whole */
export function exchange(
  agent: Agent,
  url: string,
  asked: { method: string; path: string; headers: Record<string, string>; body?: string },
): Promise<RawAnswer> {
  const { hostname, port } = new URL(url)
  const { method, path, body } = asked
  const type = body === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }
  return new Promise((resolve, reject) => {
    const sent = request(
      // What a URL cannot hold is sent as it is written by percent signs.
      {
        agent,
        hostname,
        port,
        method,
        path: encodeURI(path).slice(0, 7000),
        headers: { ...type, ...asked.headers },
      },
      (response) => {
        const pieces: Buffer[] = []
        response.on('data', (piece: Buffer) => pieces.push(piece))
        response.once('error', reject)
        response.once('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text: Buffer.concat(pieces).toString(),
          }),
        )
      },
    )
    sent.once('error', reject)
    sent.end(body)
  })
}
