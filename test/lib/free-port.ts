/** Ports that nobody else is given while a server is not listening on them. */
import { readFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'

/** Below it are those of programs that are known by their port. */
const LOWEST = 10_000
const TRIES = 200

/**
 * A free port of 127.0.0.1 from outside of the range that clients' connections take theirs from (ip(7)): one from
 * within is taken by a client while a server that ended is started again, and the start fails.
 */
export async function freePort(): Promise<number> {
  const range = portsFor(clientPorts())
  for (let attempt = 0; range !== undefined && attempt < TRIES; attempt++) {
    const [from, to] = range
    const port = from + Math.floor(Math.random() * (to - from + 1))
    if ((await tryPort(port)) !== undefined) return port
  }
  const any = await tryPort(0)
  if (any === undefined) throw new Error('no port of 127.0.0.1 is free')
  return any
}

/** First and last of the ports to choose from, given those of clients; undefined where clients have all. */
export function portsFor([first, last]: readonly [number, number]): [number, number] | undefined {
  if (first > LOWEST) return [LOWEST, first - 1]
  return last < 65_535 ? [last + 1, 65_535] : undefined
}

export function clientPorts(): [number, number] {
  const text = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8')
  const [first = Number.NaN, last = Number.NaN] = text.trim().split(/\s+/).map(Number)
  return [first, last]
}

/** The port that could be listened on, or undefined: it is taken. */
function tryPort(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(undefined))
    server.listen(port, '127.0.0.1', () => {
      const { port: given } = server.address() as AddressInfo
      server.close(() => resolve(given))
    })
  })
}
