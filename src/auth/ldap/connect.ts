/** The way to a directory: TCP, TLS from the first byte, or TLS after StartTLS (RFC 4511, section 4.14). */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import { NotLdap, readElement } from './ber.ts'
import { readMessage, resultCodeOf, TAGS } from './check-answer.ts'

export type Address = {
  /** `ldap://host:port` or `ldaps://host:port` */
  url: string
  starttls: boolean
  /** File with the authority, PEM. */
  ca: string | undefined
}

/** @throws Error: what is in the way; also when the signal says that it took too long */
export async function connectDirectory(address: Address, signal: AbortSignal): Promise<Socket> {
  const { protocol, hostname, port } = new URL(address.url)
  const isTls = protocol === 'ldaps:'
  const host = hostname.replace(/^\[|\]$/g, '')
  const ca = address.ca === undefined ? undefined : await readFile(address.ca)
  signal.throwIfAborted()
  // For an address there is no server name, but the certificate is looked at for it all the same.
  const tls: ConnectionOptions = { host, ...(isIP(host) ? {} : { servername: host }), ...(ca ? { ca } : {}) }
  const target = { host, port: port === '' ? (isTls ? 636 : 389) : Number(port) }
  if (isTls) return opened(connectTls({ ...tls, ...target }), 'secureConnect', signal)
  const socket = await opened(connectTcp(target), 'connect', signal)
  if (!address.starttls) return socket
  try {
    await startTls(socket)
    return await opened(connectTls({ ...tls, socket }), 'secureConnect', signal)
  } catch (error) {
    socket.destroy()
    throw error
  }
}

async function opened(socket: Socket, event: string, signal: AbortSignal): Promise<Socket> {
  // Whoever holds it hears of errors too; between two holders nobody would.
  socket.on('error', () => undefined)
  const giveUp = (): void => void socket.destroy(signal.reason as Error)
  signal.addEventListener('abort', giveUp, { once: true })
  socket.once('close', () => signal.removeEventListener('abort', giveUp))
  if (signal.aborted) giveUp()
  try {
    await once(socket, event)
    return socket
  } catch (error) {
    socket.destroy()
    throw error
  }
}

const START_TLS = Buffer.concat([
  Buffer.from([0x30, 0x1d, 0x02, 0x01, 0x01, TAGS.extendedRequest, 0x18, 0x80, 0x16]),
  Buffer.from('1.3.6.1.4.1.1466.20037'),
])

/**
 * Nothing that came before TLS may count after it: one answer, and not a byte more.
 * @throws Error: the directory does not want to, or somebody put something between
 */
async function startTls(socket: Socket): Promise<void> {
  let bytes: Buffer = Buffer.alloc(0)
  socket.write(START_TLS)
  for (;;) {
    const element = readElement(bytes, 0)
    if (element !== undefined && element.end > 4096)
      throw new NotLdap('an answer to StartTLS that is too long')
    if (element !== undefined && element.end <= bytes.length) break
    const [chunk] = (await Promise.race([once(socket, 'data'), ended(socket)])) as [Buffer]
    bytes = Buffer.concat([bytes, chunk])
  }
  socket.pause()
  const answer = readMessage(bytes)
  if (answer.id !== 1 || answer.operation !== TAGS.extendedResponse)
    throw new NotLdap('something else than an answer to StartTLS')
  const code = resultCodeOf(bytes, answer)
  if (code !== 0) throw new Error(`the directory refuses StartTLS (result ${code})`)
}

async function ended(socket: Socket): Promise<never> {
  await once(socket, 'close')
  throw new Error('the directory closed the connection')
}
