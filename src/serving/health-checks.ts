/** The checks that Distribution's configuration names; the storage's own is a function its room gives. */
import { stat } from 'node:fs/promises'
import { connect } from 'node:net'
import { resolve as absolute } from 'node:path'
import type { Check } from './health.ts'

/** Fails while the file *exists*: creating it takes a registry out of a load balancer. */
export function fileCheck(path: string): Check {
  const file = absolute(path)
  return async () => {
    const found = await stat(file).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return false
        throw error
      },
    )
    if (found) throw new Error('file exists')
  }
}

/**
 * HEAD of the URL has to give the status (200 unless set). Redirects are followed.
 * @throws Error for what is no URL.
 */
export function httpCheck(
  uri: string,
  {
    headers = {},
    statuscode = 200,
  }: { headers?: Readonly<Record<string, readonly string[]>>; statuscode?: number } = {},
): Check {
  const { url, authorization } = withoutCredentials(uri)
  const pairs = Object.entries(headers).flatMap(([name, values]) =>
    values.map((value): [string, string] => [name, value]),
  )
  if (authorization !== undefined) pairs.push(['Authorization', authorization])
  return async (signal) => {
    const response = await fetch(url, { method: 'HEAD', headers: pairs, signal }).catch((error: Error) => {
      const why = error.cause instanceof Error ? error.cause.message : error.message
      throw new Error(`${url}: error while checking: ${why}`, { cause: error })
    })
    await response.body?.cancel()
    if (response.status === statuscode) return
    throw new Error(`${url}: downstream service returned unexpected status: ${response.status}`)
  }
}

/** A connection to `host:port` has to come about. */
export function tcpCheck(addr: string): Check {
  const { host, port } = hostAndPort(addr)
  return (signal) =>
    new Promise((resolve, reject) => {
      const socket = connect({ host, port, signal })
      socket.once('connect', () => {
        socket.destroy()
        resolve()
      })
      socket.once('error', (error: Error & { errors?: Error[] }) => {
        socket.destroy()
        const why = error.message === '' ? (error.errors?.[0]?.message ?? 'failed') : error.message
        reject(new Error(`${addr}: connection failed: ${why}`, { cause: error }))
      })
    })
}

/** @throws Error for anything but `host:port`, `[address]:port` and `:port`. */
function hostAndPort(addr: string): { host: string; port: number } {
  const parts = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(addr)
  const port = Number(parts?.[3])
  if (parts === null || port > 65535) throw new Error(`${JSON.stringify(addr)} is not of the form host:port`)
  return { host: parts[1] ?? (parts[2] === '' ? 'localhost' : (parts[2] ?? '')), port }
}

/**
 * Credentials of a URL belong into a header, and not into messages.
 * @throws Error for what is no URL.
 */
function withoutCredentials(uri: string): { url: string; authorization: string | undefined } {
  const url = URL.parse(uri)
  if (url === null) throw new Error('the uri of a health check is no URL; write http://host:port/path')
  const { username, password } = url
  url.username = ''
  url.password = ''
  if (username === '' && password === '') return { url: url.href, authorization: undefined }
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return { url: url.href, authorization: `Basic ${Buffer.from(pair).toString('base64')}` }
}
