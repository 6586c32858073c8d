/** What node:http lets through and RFC 9112 does not, looked at before any handler runs. */
import type { IncomingMessage } from 'node:http'
import type { Refusal } from './refusal.ts'

type RequestLimits = { maxHeaders: number; maxUrlBytes: number }

/** Headers that mean something else when given twice; node:http would silently take the first. */
const SINGLE = new Set(['host', 'authorization', 'content-type', 'content-range', 'range'])
const SINGLE_LENGTHS = new Set([...SINGLE].map((name) => name.length))
const HOST = /^(?:\[[0-9A-Fa-f:.%A-Za-z_~-]+\]|[A-Za-z0-9._~%!$&'()*+,;=-]*)(?::\d{0,5})?$/

function malformed(message: string): Refusal {
  return { status: 400, code: 'UNSUPPORTED', message }
}

/**
 * Refuses what is ambiguous or malformed; rewrites an absolute request target to its path and host
 * (RFC 9112 section 3.2.2), so that handlers see paths only.
 */
export function checkRequest(req: IncomingMessage, limits: RequestLimits): Refusal | undefined {
  return checkVersion(req) ?? checkHeaders(req, limits) ?? checkTarget(req, limits) ?? checkHost(req)
}

/** The parser takes 0.9 and 2.0 for versions of the same language. */
function checkVersion(req: IncomingMessage): Refusal | undefined {
  if (req.httpVersionMajor === 1) return undefined
  return { status: 505, code: 'UNSUPPORTED', message: 'this server speaks HTTP/1.1 and HTTP/1.0 only' }
}

function checkHeaders(req: IncomingMessage, limits: RequestLimits): Refusal | undefined {
  const raw = req.rawHeaders
  if (raw.length > 2 * limits.maxHeaders) {
    return {
      status: 431,
      code: 'UNSUPPORTED',
      message: `a request may have at most ${limits.maxHeaders} headers`,
    }
  }
  const twice = repeated(raw)
  if (twice !== undefined) return malformed(`the header ${twice} was sent twice; send it once`)
  const coding = req.headers['transfer-encoding']
  if (coding === undefined) return undefined
  if (req.httpVersion !== '1.1') return malformed('Transfer-Encoding needs HTTP/1.1')
  if (coding.toLowerCase() === 'chunked') return undefined
  return { status: 501, code: 'UNSUPPORTED', message: 'the only Transfer-Encoding understood is "chunked"' }
}

function repeated(raw: readonly string[]): string | undefined {
  let seen: string[] | undefined
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? ''
    if (!SINGLE_LENGTHS.has(name.length)) continue
    const lower = name.toLowerCase()
    if (!SINGLE.has(lower)) continue
    if (seen?.includes(lower)) return lower
    ;(seen ??= []).push(lower)
  }
  return undefined
}

function checkTarget(req: IncomingMessage, limits: RequestLimits): Refusal | undefined {
  const target = req.url ?? ''
  if (target.length > limits.maxUrlBytes) {
    return {
      status: 414,
      code: 'UNSUPPORTED',
      message: `the URL is longer than ${limits.maxUrlBytes} bytes; send a shorter one`,
    }
  }
  if (target.startsWith('/') || (target === '*' && req.method === 'OPTIONS')) return undefined
  const absolute = /^https?:\/\/(?:[^/?#@]*@)?([^/?#@]*)([^#]*)/i.exec(target)
  if (absolute === null) return malformed('the request target must be a path that begins with "/"')
  const [, authority = '', path = ''] = absolute
  if (req.headers.host === undefined && req.httpVersion === '1.1') return checkHost(req)
  req.headers.host = authority
  req.url = path.startsWith('/') ? path : `/${path}`
  return undefined
}

function checkHost(req: IncomingMessage): Refusal | undefined {
  const host = req.headers.host
  if (host === undefined) {
    return req.httpVersion === '1.1' ? malformed('the Host header is missing; HTTP/1.1 needs it') : undefined
  }
  return HOST.test(host) ? undefined : malformed('the Host header is not a valid host name or address')
}
