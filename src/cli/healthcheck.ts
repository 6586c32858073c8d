/** `berth healthcheck`: is the registry beside this well? For engines that run a command to find out. */
import { request as plainRequest, type RequestOptions } from 'node:http'
import type { Config } from '../config/schema.ts'
import { loadConfig } from '../config/load.ts'
import { ConfigError } from '../config/mistakes.ts'
import { addressOf } from '../server-rules.ts'
import type { ListenAddress } from '../serving/listener.ts'
import type { Command } from './command.ts'

const help = `Usage: berth healthcheck [CONFIG]

Asks the registry on this machine whether it can serve (/readyz), and exits with 0 or 1. It is found by CONFIG and the
environment, as "berth serve" reads them. Of a server that wants client certificates any answer will do.
`

const WAIT_MS = 5000
/** An address that a server listens on for all, and that cannot be asked. */
const ANY = new Set(['0.0.0.0', '::'])

export const command: Command = {
  name: 'healthcheck',
  summary: 'ask the registry on this machine whether it is well',
  help,
  async run(args, io) {
    const [path, ...rest] = args
    if (rest.length > 0 || path?.startsWith('-')) {
      io.stderr.write('berth healthcheck: takes at most one argument, the configuration file.\n')
      return 2
    }
    try {
      const said = await ask(loadConfig({ path, env: io.env }).config.http)
      io.stdout.write(`${said}\n`)
      return 0
    } catch (error) {
      if (!(error instanceof Error)) throw error
      const what =
        error instanceof ConfigError ? `the configuration is wrong\n${error.message}` : error.message
      io.stderr.write(`berth healthcheck: ${what}\n`)
      return 1
    }
  },
}

/**
 * The debug port is asked where there is one: it wants no certificate.
 * @throws Error saying why the registry is not well
 */
async function ask({ addr, net, debug, tls }: Config['http']): Promise<string> {
  const isDebug = Boolean(debug.addr)
  const address = addressOf(isDebug ? { addr: debug.addr ?? '', net: 'tcp' } : { addr, net })
  const isSecure = !isDebug && Boolean(tls.certificate)
  const place = placeOf(address)
  const where = place.socketPath ?? `${place.host}:${place.port}`
  const { status, body } = await get({ ...place, path: '/readyz' }, isSecure)
  if (status < 500) return `ok: ${where}`
  throw new Error(`${where} answers ${status}: ${body}`)
}

function placeOf(address: ListenAddress): { socketPath?: string; host?: string; port?: number } {
  if ('socketPath' in address) return { socketPath: address.socketPath }
  if ('fd' in address) throw new Error('whoever starts the registry says where it listens')
  const { host = '::', port = 0 } = address
  return { port, host: ANY.has(host) ? '127.0.0.1' : host }
}

async function get(options: RequestOptions, isSecure: boolean): Promise<{ status: number; body: string }> {
  // Which name its certificate is for, and who signed it, is not asked: it is the registry on this machine.
  const request = isSecure
    ? (await import('node:https')).request({ ...options, rejectUnauthorized: false, agent: false })
    : plainRequest({ ...options, agent: false })
  return new Promise((resolve, reject) => {
    // Of all of it: an answer that trickles is none.
    const timer = setTimeout(() => {
      reject(new Error(`no answer within ${WAIT_MS / 1000} seconds`))
      request.destroy()
    }, WAIT_MS)
    request.once('close', () => clearTimeout(timer))
    request.once('error', reject)
    request.once('response', (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (part: string) => (body = (body + part).slice(0, 1000)))
      response.once('error', reject)
      response.once('end', () => resolve({ status: response.statusCode ?? 0, body }))
    })
    request.end()
  })
}
