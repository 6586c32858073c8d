/** For tests: a directory that does what no real one does. */
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { afterwards, type Ending } from '../../../test/lib/temporary.ts'
import { encodeElement, readElement } from './ber.ts'
import { readMessage, type Message } from './check-answer.ts'

export type FakeDirectory = {
  url: string
  /** Connections that are open now, and how many there were at once at most. */
  open(): number
  mostOpen(): number
  /** Operations that were asked for, by their tags. */
  asked: number[]
}

/** @param answer what is sent back for a message; `undefined`: nothing */
export async function startFake(
  test: Ending,
  answer: (message: Message, socket: Socket) => Buffer | undefined,
  onConnect: (socket: Socket) => void = () => undefined,
): Promise<FakeDirectory> {
  const sockets = new Set<Socket>()
  const asked: number[] = []
  let most = 0
  const server = createServer((socket) => {
    sockets.add(socket)
    most = Math.max(most, sockets.size)
    socket.on('close', () => sockets.delete(socket)).on('error', () => undefined)
    onConnect(socket)
    let unread: Buffer = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => {
      unread = Buffer.concat([unread, chunk])
      for (;;) {
        const element = unread[0] === 0x30 ? readElement(unread, 0) : undefined
        if (element === undefined || element.end > unread.length) return
        const message = readMessage(unread.subarray(0, element.end))
        unread = unread.subarray(element.end)
        asked.push(message.operation)
        const sent = answer(message, socket)
        if (sent !== undefined && socket.writable) socket.write(sent)
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  afterwards(test, async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  const { port } = server.address() as AddressInfo
  return { url: `ldap://127.0.0.1:${port}`, open: () => sockets.size, mostOpen: () => most, asked }
}

export const octets = (text: string): Buffer => encodeElement(0x04, Buffer.from(text))
const sequence = (...parts: Buffer[]): Buffer => encodeElement(0x30, Buffer.concat(parts))

export function message(id: number, operation: number, ...parts: Buffer[]): Buffer {
  return sequence(encodeElement(0x02, Buffer.from([id])), encodeElement(operation, Buffer.concat(parts)))
}

export const result = (id: number, operation: number, code = 0): Buffer =>
  message(id, operation, encodeElement(0x0a, Buffer.from([code])), octets(''), octets(''))

export function entry(id: number, dn: string, attributes: Record<string, readonly string[]>): Buffer {
  const encoded = Object.entries(attributes).map(([type, values]) =>
    sequence(octets(type), encodeElement(0x31, Buffer.concat(values.map(octets)))),
  )
  return message(id, 0x64, octets(dn), sequence(...encoded))
}
