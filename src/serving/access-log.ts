/** The access log: Apache's combined format, one line a request, as Distribution writes it to standard output. */
import { createLastMade } from '../lib/last-made.ts'
import { createLineWriter } from './line-writer.ts'
import { quoted } from './log-text.ts'
import { redactUrl } from './redact.ts'

export type Access = {
  /** Milliseconds since 1970: when the request began. */
  startedAt: number
  remoteAddress: string
  /** Who signed in, if anyone did. */
  user?: string | undefined
  method: string
  /** The request target as it was sent. */
  url: string
  httpVersion: string
  status: number
  /** Bytes of the answer's body. */
  bytes: number
  referer?: string | undefined
  userAgent?: string | undefined
}

export type AccessLog = {
  record(access: Access): void
  flush(): void
}

export const noAccessLog: AccessLog = { record: () => undefined, flush: () => undefined }

/** @param write takes text to append; called once for all lines of a turn of the event loop. */
export function createAccessLog({ write }: { write: (text: string) => void }): AccessLog {
  const lines = createLineWriter({ write })
  const stamp = createLastMade(stampOf)
  // Clients send the same from request to request.
  const referer = createLastMade((text: string) => quoted(redactUrl(text)))
  const userAgent = createLastMade(quoted)
  return {
    record: (access) =>
      lines.write(
        `${accessLine(access, stamp(Math.floor(access.startedAt / 1000)))} ${referer(access.referer ?? '')} ${userAgent(access.userAgent ?? '')}\n`,
      ),
    flush: () => lines.flush(),
  }
}

function accessLine(access: Access, time: string): string {
  const { method, httpVersion, status, bytes } = access
  const request = quoted(`${method} ${redactUrl(access.url)} HTTP/${httpVersion}`)
  const address = access.remoteAddress === '' ? '-' : access.remoteAddress
  const user = access.user === undefined ? '-' : quoted(access.user).slice(1, -1).replaceAll(' ', '\\x20')
  return `${address} - ${user} [${time}] ${request} ${status} ${bytes}`
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** `22/Nov/2026:01:11:13 +0000` */
function stampOf(second: number): string {
  const iso = new Date(second * 1000).toISOString()
  const month = MONTHS[Number(iso.slice(5, 7)) - 1] ?? ''
  return `${iso.slice(8, 10)}/${month}/${iso.slice(0, 4)}:${iso.slice(11, 19)} +0000`
}
