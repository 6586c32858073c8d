/** What a client gets that breaks HTTP itself: the specification's JSON error, written before any route is known. */
import { STATUS_CODES, type ServerResponse } from 'node:http'
import type { ErrorCode } from '../oci/error.ts'

export type Refusal = {
  status: number
  code: ErrorCode
  message: string
  headers?: Readonly<Record<string, string>>
}

/** The body of distribution-spec, "Error Codes". */
export function errorBody(code: ErrorCode, message: string, detail?: unknown): string {
  return JSON.stringify({ errors: [{ code, message, ...(detail === undefined ? {} : { detail }) }] })
}

function headersOf(refusal: Refusal, body: string): Record<string, string> {
  return {
    'Content-Type': 'application/json',
    'Content-Length': String(Buffer.byteLength(body)),
    'Docker-Distribution-Api-Version': 'registry/2.0',
    ...refusal.headers,
    Connection: 'close',
  }
}

/** A whole answer as bytes, for a connection on which no request could be parsed. */
export function refusalBytes(refusal: Refusal): string {
  const body = errorBody(refusal.code, refusal.message)
  const lines = Object.entries(headersOf(refusal, body)).map(([name, value]) => `${name}: ${value}\r\n`)
  const date = new Date().toUTCString()
  const reason = STATUS_CODES[refusal.status] ?? 'Error'
  return `HTTP/1.1 ${refusal.status} ${reason}\r\nDate: ${date}\r\n${lines.join('')}\r\n${body}`
}

/** Sends the refusal as this request's answer and closes the connection after it. */
export function sendRefusal(res: ServerResponse, refusal: Refusal): void {
  for (const name of res.getHeaderNames()) res.removeHeader(name)
  const body = errorBody(refusal.code, refusal.message)
  res.shouldKeepAlive = false
  res.writeHead(refusal.status, headersOf(refusal, body))
  res.end(body)
}

const FRAMING =
  'the chunks of the request body are malformed; send "<size in hex>CRLF<bytes>CRLF" and end with "0CRLFCRLF"'
const LENGTH = 'Content-Length must be one decimal number, given once and not together with Transfer-Encoding'

const PARSE_FAILURES: Record<string, Refusal> = {
  HPE_HEADER_OVERFLOW: {
    status: 431,
    code: 'UNSUPPORTED',
    message: 'the request line and the headers are too long; send a shorter URL and fewer or shorter headers',
  },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: {
    status: 413,
    code: 'UNSUPPORTED',
    message: 'chunk extensions are too long; leave them out',
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: 408,
    code: 'UNAVAILABLE',
    message: 'the headers of the request did not arrive in time; send them at once',
  },
  HPE_INVALID_VERSION: {
    status: 505,
    code: 'UNSUPPORTED',
    message: 'this server speaks HTTP/1.1 and HTTP/1.0 only',
  },
  HPE_PAUSED_H2_UPGRADE: {
    status: 505,
    code: 'UNSUPPORTED',
    message: 'this server does not speak HTTP/2; use HTTP/1.1',
  },
  HPE_INVALID_METHOD: {
    status: 400,
    code: 'UNSUPPORTED',
    message: 'the request does not begin with an HTTP method',
  },
  HPE_INVALID_URL: {
    status: 400,
    code: 'UNSUPPORTED',
    message: 'the request line has no valid path; percent-encode it',
  },
  HPE_INVALID_CONSTANT: {
    status: 400,
    code: 'UNSUPPORTED',
    message: 'the request line is malformed; it reads "METHOD /path HTTP/1.1"',
  },
  HPE_INVALID_HEADER_TOKEN: {
    status: 400,
    code: 'UNSUPPORTED',
    message: 'a header is malformed; it reads "Name: value"',
  },
  HPE_INVALID_CONTENT_LENGTH: { status: 400, code: 'SIZE_INVALID', message: LENGTH },
  HPE_UNEXPECTED_CONTENT_LENGTH: { status: 400, code: 'SIZE_INVALID', message: LENGTH },
  HPE_INVALID_TRANSFER_ENCODING: {
    status: 400,
    code: 'UNSUPPORTED',
    message: 'Transfer-Encoding must be "chunked", not together with Content-Length',
  },
  HPE_INVALID_CHUNK_SIZE: { status: 400, code: 'SIZE_INVALID', message: FRAMING },
  HPE_INVALID_EOF_STATE: {
    status: 400,
    code: 'SIZE_INVALID',
    message: 'the connection was closed before the request was complete',
  },
}

const MALFORMED: Refusal = { status: 400, code: 'UNSUPPORTED', message: 'the request is not valid HTTP/1.1' }

/**
 * The refusal for an error of the HTTP parser, or undefined where nobody is left to read an answer.
 * @param inBody whether the parser stumbled inside the body of a request that is being handled.
 */
export function refusalOf(
  error: NodeJS.ErrnoException & { rawPacket?: Buffer },
  inBody: boolean,
): Refusal | undefined {
  const code = error.code ?? ''
  if (!code.startsWith('HPE_') && code !== 'ERR_HTTP_REQUEST_TIMEOUT') return undefined
  if (error.rawPacket?.subarray(0, 4).toString('latin1') === 'PRI ')
    return PARSE_FAILURES['HPE_PAUSED_H2_UPGRADE']
  if (inBody && code !== 'HPE_INVALID_EOF_STATE') {
    return PARSE_FAILURES[code]?.status === 413
      ? PARSE_FAILURES[code]
      : PARSE_FAILURES['HPE_INVALID_CHUNK_SIZE']
  }
  if (
    code === 'HPE_INVALID_VERSION' &&
    /^[^\r\n]*HTTP\/1\.[01]\n/.test(error.rawPacket?.toString('latin1') ?? '')
  ) {
    return { ...MALFORMED, message: 'lines must end with CR LF, not with LF alone' }
  }
  if (code === 'HPE_INVALID_METHOD' && error.rawPacket?.[0] === 0x16) {
    return {
      ...MALFORMED,
      message: 'this port speaks plain HTTP, not TLS: use http://, or configure http.tls',
    }
  }
  return PARSE_FAILURES[code] ?? MALFORMED
}
