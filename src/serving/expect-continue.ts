import { IncomingMessage, type ServerResponse } from 'node:http'

/**
 * Answers `Expect: 100-continue` when the handler first reads the body, not before: a request that is refused
 * from its headers alone gets its 4xx and the client keeps the body (RFC 9110 section 10.1.1).
 * @returns whether the 100 has been sent.
 */
export function continueOnFirstRead(req: IncomingMessage, res: ServerResponse): () => boolean {
  let sent = false
  req._read = function (size) {
    if (!sent && !res.headersSent) {
      sent = true
      res.writeContinue()
    }
    IncomingMessage.prototype._read.call(this, size)
  }
  return () => sent
}
