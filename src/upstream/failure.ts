/** What goes wrong with another registry, as a person reads it. */
import type { IncomingMessage } from 'node:http'
import { printable } from './printable.ts'
import { readBounded } from '../lib/read-bounded.ts'

/**
 * - `unreachable`: no connection could be made
 * - `plain`: it speaks HTTP without TLS, where TLS was asked for
 * - `tls`: its certificate cannot be trusted
 * - `lost`: the connection broke, or nothing came for too long
 * - `busy`: it asks to come again later, or has a problem of its own
 * - `sign-in`: name and password are wrong or missing
 * - `denied`: they are right, and may not do this
 * - `too-large`: a proxy or the registry takes no body of this size
 * - `refused`: it says no to what was sent
 * - `odd`: it answers what no registry answers
 */
export type UpstreamFailure =
  'unreachable' | 'plain' | 'tls' | 'lost' | 'busy' | 'sign-in' | 'denied' | 'too-large' | 'refused' | 'odd'

/** The message is whole sentences without the last full stop, says what to do, and has no secret in it. */
export class UpstreamError extends Error {
  override readonly name = 'UpstreamError'
  readonly kind: UpstreamFailure
  /** Where there was an answer. */
  readonly status: number | undefined
  /** How long the registry asks to be left alone. */
  readonly retryAfterMs: number | undefined

  constructor(kind: UpstreamFailure, message: string, options: UpstreamErrorOptions = {}) {
    super(message, options)
    this.kind = kind
    this.status = options.status
    this.retryAfterMs = options.retryAfterMs
  }
}

type UpstreamErrorOptions = ErrorOptions & { status?: number; retryAfterMs?: number | undefined }

/** It may go better a moment later. */
export function isPassing(error: unknown): boolean {
  return error instanceof UpstreamError && (error.kind === 'lost' || error.kind === 'busy')
}

/** https://nodejs.org/api/tls.html#x509-certificate-error-codes */
const CERTIFICATE =
  /^(?:UNABLE_TO_|CERT_|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH|INVALID_(?:CA|PURPOSE))/
const LOST: ReadonlySet<string | undefined> = new Set([
  'ECONNRESET',
  'EPIPE',
  'ECONNABORTED',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ERR_STREAM_DESTROYED',
])
const UNREACHABLE: Readonly<Record<string, string>> = {
  ENOTFOUND: 'there is no host of that name: look at how it is written',
  EAI_AGAIN: 'its name cannot be looked up now: is the network there?',
  ECONNREFUSED: 'nothing listens there: does the registry run, and is the port right?',
  EHOSTUNREACH: 'no way leads there: look at the network',
  ENETUNREACH: 'no way leads there: look at the network',
  ETIMEDOUT: 'nothing answers there: look at the network and the firewall',
}

/** @returns what a request's error means; what is none of the network's stays as it is */
export function failureOfRequest(error: unknown, host: string): unknown {
  if (error instanceof UpstreamError) return error
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ABORT_ERR') return error
  if (code !== undefined && CERTIFICATE.test(code)) return untrusted(host, code, error)
  if (code === 'EPROTO' || code?.startsWith('ERR_SSL_') === true) {
    const isPlain = /wrong version number|packet length too long|http request/i.test(message)
    return isPlain
      ? new UpstreamError('plain', `${host} does not speak TLS: --plain-http asks it without`, {
          cause: error,
        })
      : new UpstreamError('tls', `no TLS connection to ${host} could be made: ${code}`, { cause: error })
  }
  if (LOST.has(code) || message === 'socket hang up')
    return new UpstreamError('lost', `${host} broke the connection off`, { cause: error })
  if (code?.startsWith('HPE_') === true)
    return new UpstreamError('odd', `${host} does not speak HTTP: is this a registry?`, { cause: error })
  const why = UNREACHABLE[code ?? '']
  if (why === undefined && code === undefined) return error
  return new UpstreamError('unreachable', `${host} cannot be reached: ${why ?? code}`, { cause: error })
}

function untrusted(host: string, code: string, cause: unknown): UpstreamError {
  const why =
    code === 'CERT_HAS_EXPIRED'
      ? 'has run out: it has to be renewed there'
      : code === 'ERR_TLS_CERT_ALTNAME_INVALID'
        ? 'is for another name: use the name that stands in it'
        : 'is from a certificate authority that is not known here: --ca FILE names its certificate'
  return new UpstreamError('tls', `the certificate of ${host} ${why} (${code})`, { cause })
}

const LARGEST_ERROR = 64 * 1024

/**
 * What an answer that is no success says, and what it means. Its body is read to the end.
 * @param what what was asked for, after "may not" or "refuses to": `push to team/app`
 */
export async function failureOfAnswer(
  answer: IncomingMessage,
  host: string,
  what: string,
): Promise<UpstreamError> {
  const status = answer.statusCode ?? 0
  const said = saidIn(await readBounded(answer, LARGEST_ERROR).catch(() => Buffer.alloc(0)))
  const reason = `${status}${said === '' ? '' : `: ${said}`}`
  const [kind, message] = meaningOf(status, host, what, reason)
  return new UpstreamError(kind, message, {
    status,
    retryAfterMs: retryAfterMs(answer.headers['retry-after']),
  })
}

function meaningOf(status: number, host: string, what: string, reason: string): [UpstreamFailure, string] {
  if (status === 401 || status === 403) return ['denied', `${host} does not allow it to ${what} (${reason})`]
  if (status === 413) {
    const by = `${host}, or a proxy before it, takes no body of this size`
    return ['too-large', `${by}, to ${what} (${reason}): raise its limit`]
  }
  if (status === 429 || status >= 500)
    return ['busy', `${host} cannot ${what} now (${reason}): try again later`]
  return ['refused', `${host} refuses to ${what} (${reason})`]
}

/** `Retry-After` (RFC 9110, 10.2.3): seconds, or a date. */
export function retryAfterMs(text: string | undefined, now = Date.now()): number | undefined {
  if (text === undefined) return undefined
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000
  const date = Date.parse(text)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}

/** `{"errors":[{"code","message"}]}` (distribution-spec, "Error Codes"), else the beginning of a text that is no page. */
function saidIn(body: Buffer): string {
  const text = body.toString('utf8')
  try {
    const { errors } = JSON.parse(text) as { errors?: unknown }
    if (Array.isArray(errors)) {
      const lines = errors.map((one) => {
        const { code, message } = (one ?? {}) as Record<string, unknown>
        return [code, message].filter((part) => typeof part === 'string' && part !== '').join(' ')
      })
      return printable(lines.filter((line) => line !== '').join('; '))
    }
  } catch {
    // Not JSON: a proxy's, perhaps.
  }
  return /<[a-z!]/i.test(text) ? '' : printable(text.trim())
}
