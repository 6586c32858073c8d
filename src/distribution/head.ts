/**
 * The head of an answer. `writeHead` tells each name from all that mean something to it, and looks at each character of
 * each value, with each answer again: as much as the rest of a small answer costs. What is the same for all answers is
 * looked at once here, and the head of an ordinary one (a 2xx with its length, on a connection that is kept) is made as
 * one text, character for character what `writeHead` would have made of it. All others take `writeHead`.
 *
 * The text goes into `_header`, where `writeHead` puts its own, too. It has been there since the first versions of
 * Node, and is no part of its documentation: where it is not as expected, or a test finds another text, `writeHead` is
 * what is left.
 */
import { ServerResponse, STATUS_CODES, validateHeaderName, validateHeaderValue } from 'node:http'
import { createLastMade } from '../lib/last-made.ts'

export type HeadWriter = (response: ServerResponse, status: number, headers: readonly string[]) => void

type Insides = {
  _header: string | null
  _contentLength: number | null
  _keepAliveTimeout: number
  _defaultKeepAlive: boolean
  _maxRequestsPerSocket: number
  maxRequestsOnConnectionReached: boolean
}

/** What may not stand in a value (RFC 9110, section 5.5), as `writeHead` sees it. */
const NOT_IN_VALUE = /[^\t\x20-\x7e\x80-\xff]/

/**
 * @param base names and values in turn: headers of every answer
 * @returns a writer; its `headers` are names and values in turn, Content-Length as digits, no Date, Connection,
 * Keep-Alive, Transfer-Encoding or Trailer
 * @throws TypeError one of `base` cannot stand in a head
 */
export function createHeadWriter(base: readonly string[]): HeadWriter {
  const always = textOfChecked(base)
  const dateText = createLastMade((second: number) => `Date: ${new Date(second * 1000).toUTCString()}\r\n`)
  return (response, status, headers) => {
    const lengthAt = headers.indexOf('Content-Length')
    const insides = response as unknown as Insides
    if (lengthAt < 0 || !isOrdinary(response, insides, status)) {
      response.writeHead(status, [...base, ...headers])
      return
    }
    let text = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${always}`
    let values = ''
    for (let index = 0; index < headers.length; index += 2) {
      const value = headers[index + 1] as string
      text += `${headers[index]}: ${value}\r\n`
      values += value
    }
    if (NOT_IN_VALUE.test(values))
      throw new TypeError('a header of an answer has a character that cannot stand there')
    response.statusCode = status
    insides._contentLength = Number(headers[lengthAt + 1])
    insides._header = `${text}${dateText(Math.floor(Date.now() / 1000))}${keepAliveText(insides)}\r\n`
  }
}

function isOrdinary(response: ServerResponse, insides: Insides, status: number): boolean {
  return (
    status >= 200 &&
    status < 300 &&
    status !== 204 &&
    insides._header === null &&
    insides._defaultKeepAlive &&
    insides._maxRequestsPerSocket === 0 &&
    response.shouldKeepAlive &&
    response.sendDate &&
    response.req.httpVersionMinor === 1 &&
    // Somebody wants to know when the head is written.
    response.writeHead === ServerResponse.prototype.writeHead
  )
}

function textOfChecked(headers: readonly string[]): string {
  let text = ''
  for (let index = 0; index < headers.length; index += 2) {
    const [name, value] = [headers[index] as string, headers[index + 1] as string]
    validateHeaderName(name)
    validateHeaderValue(name, value)
    text += `${name}: ${value}\r\n`
  }
  return text
}

function keepAliveText({ _keepAliveTimeout: ms }: Insides): string {
  if (!ms) return 'Connection: keep-alive\r\n'
  return `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(ms / 1000)}\r\n`
}
