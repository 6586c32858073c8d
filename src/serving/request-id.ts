/** An id for each request: in log lines, in error bodies, and passed on by proxies in `X-Request-Id`. */
import { randomBytes } from 'node:crypto'

const SANE = /^[A-Za-z0-9._-]{1,128}$/

/** Returns a source of ids: the caller's own where it is harmless, else a fresh one (prefix of this process, then a count). */
export function createRequestIds(): (given: string | string[] | undefined) => string {
  const prefix = randomBytes(8).toString('hex')
  let count = 0
  return (given) => {
    if (typeof given === 'string' && SANE.test(given)) return given
    count += 1
    return `${prefix}-${count.toString(36).padStart(6, '0')}`
  }
}
