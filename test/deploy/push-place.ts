/** `berth push` as people type it, and a proxy that gets in its way. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Ran, RunOptions, Workplace } from '../clients/workplace.ts'
import { afterwards, type Ending } from '../lib/temporary.ts'

export const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

export type Push = (args: string[], options?: RunOptions) => Promise<Ran>

/** Nothing of the machine's own credentials, proxies and unfinished uploads. */
export function pushEnvironment({ place }: Workplace): Record<string, string> {
  return {
    REGISTRY_AUTH_FILE: '',
    XDG_RUNTIME_DIR: '',
    XDG_CONFIG_HOME: place('xdg-config'),
    XDG_STATE_HOME: place('xdg-state'),
    HTTP_PROXY: '',
    HTTPS_PROXY: '',
    http_proxy: '',
    https_proxy: '',
  }
}

export function pushIn(workplace: Workplace): Push {
  const env = pushEnvironment(workplace)
  return (args, options = {}) =>
    workplace.run(process.execPath, [MAIN, 'push', ...args], {
      mayFail: true,
      ...options,
      env: { ...env, ...options.env },
    })
}

/**
 * What happens to a request. `cut`: that many bytes of its body pass, then the connection is gone. `swallow`: then the
 * rest goes nowhere, and nobody is told. `hold`: then nothing moves, not even the news that the client has left.
 */
export type Fate = 'pass' | Answered | Broken
type Answered = { status: number; headers?: Record<string, string>; text?: string }
type Broken = { how: 'cut' | 'swallow' | 'hold'; after: number; onReached?: () => void }

export type AwkwardProxy = {
  host: string
  /** `PATCH uploads 0-99 100`: method, what it is about, Content-Range, Content-Length. */
  seen: string[]
}

/** In front of a registry. */
export async function startAwkwardProxy(
  context: Ending,
  target: string,
  fateOf: (request: IncomingMessage, seen: readonly string[]) => Fate,
): Promise<AwkwardProxy> {
  const seen: string[] = []
  const server = createServer((incoming, answer) => {
    const about = /\/(uploads|blobs|manifests)\//.exec(incoming.url ?? '')?.[1] ?? incoming.url
    const { 'content-range': range = '', 'content-length': length = '' } = incoming.headers
    seen.push(
      [incoming.method, /\/blobs\/uploads\//.test(incoming.url ?? '') ? 'uploads' : about, range, length]
        .join(' ')
        .trim(),
    )
    const fate = fateOf(incoming, seen)
    if (fate === 'pass') return pass(target, incoming, answer)
    if ('status' in fate) {
      // As nginx does it: answered at once, and what still comes is thrown away.
      answer.writeHead(fate.status, fate.headers).end(fate.text ?? '')
      incoming.resume()
      return
    }
    pass(target, incoming, answer, fate)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  afterwards(context, () => {
    server.closeAllConnections()
    server.close()
  })
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
}

function pass(target: string, incoming: IncomingMessage, answer: ServerResponse, fate?: Broken): void {
  const { method, url, headers } = incoming
  const onward = request(new URL(url ?? '/', target), { method, headers })
  const end = (): void => {
    onward.destroy()
    incoming.socket.destroy()
  }
  onward.on('error', end)
  incoming.on('error', end)
  answer.once('close', () => answer.writableFinished || end())
  onward.on('response', (back) => {
    answer.writeHead(back.statusCode ?? 500, back.headers)
    back.pipe(answer)
  })
  const { how, after = Infinity, onReached } = fate ?? {}
  let passed = 0
  incoming.on('data', (piece: Buffer) => {
    const room = after - passed
    passed += piece.length
    if (room <= 0) return
    const isLast = passed >= after
    // What was passed on shall arrive; the registry gets a moment to take it.
    onward.write(piece.subarray(0, Math.min(room, piece.length)), () => {
      if (isLast) setTimeout(how === 'cut' ? end : (onReached ?? end), 300)
    })
    if (isLast && how === 'hold') incoming.pause()
  })
  incoming.on('end', () => onward.end())
}
