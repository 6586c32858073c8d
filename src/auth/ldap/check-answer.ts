/**
 * What a directory may answer, exactly. The client behind it is generous: to it an answer without a result code is a
 * success, and so is an answer to something else. So it sees only what was looked at here.
 */
import { elementsIn, encodeElement, NotLdap, type Element } from './ber.ts'

/** RFC 4511, section 4: tags of the operations. */
export const TAGS = {
  bindRequest: 0x60,
  bindResponse: 0x61,
  unbindRequest: 0x42,
  searchRequest: 0x63,
  searchEntry: 0x64,
  searchDone: 0x65,
  searchReference: 0x73,
  extendedRequest: 0x77,
  extendedResponse: 0x78,
} as const

const [INTEGER, OCTETS, ENUMERATED, SEQUENCE, SET] = [0x02, 0x04, 0x0a, 0x30, 0x31]

export type Message = { id: number; operation: number; parts: Element[] }

/** @throws NotLdap */
export function readMessage(bytes: Buffer): Message {
  const [sequence, ...more] = elementsIn(bytes, 0, bytes.length)
  if (sequence?.tag !== SEQUENCE || more.length > 0) throw new NotLdap('something else than a message')
  const [id, operation] = elementsIn(bytes, sequence.content, sequence.end)
  if (id?.tag !== INTEGER || operation === undefined) throw new NotLdap('something else than a message')
  const parts = (operation.tag & 0x20) === 0 ? [] : elementsIn(bytes, operation.content, operation.end)
  return { id: integerIn(bytes, id), operation: operation.tag, parts }
}

/** @throws NotLdap */
export function resultCodeOf(bytes: Buffer, { parts }: Message): number {
  const [code, matched, message] = parts
  if (code?.tag !== ENUMERATED || matched?.tag !== OCTETS || message?.tag !== OCTETS)
    throw new NotLdap('a result without its parts')
  return integerIn(bytes, code)
}

function integerIn(bytes: Buffer, { content, end }: Element): number {
  if (end - content < 1 || end - content > 4) throw new NotLdap('a number that is too long')
  return bytes.readIntBE(content, end - content)
}

/**
 * An answer as the client gets it: without controls and whatever else nobody asked for. Undefined: it is of no interest
 * (a reference to another directory, which is not followed).
 * @throws NotLdap: it is no answer to this request
 */
export function checkAnswer(
  bytes: Buffer,
  request: { id: number; operation: number } | undefined,
): Buffer | undefined {
  const message = readMessage(bytes)
  if (message.id === 0) throw new NotLdap('notice that it ends the connection')
  if (request === undefined || message.id !== request.id) throw new NotLdap('an answer to nothing')
  const { bindRequest, bindResponse, searchRequest, searchEntry, searchDone, searchReference } = TAGS
  const { operation } = message
  if (request.operation === bindRequest && operation === bindResponse) return resultOnly(bytes, message)
  if (request.operation !== searchRequest) throw new NotLdap('an answer to something else')
  if (operation === searchDone) return resultOnly(bytes, message)
  if (operation === searchReference) return undefined
  if (operation === searchEntry) return entryOnly(bytes, message)
  throw new NotLdap('an answer to something else')
}

function resultOnly(bytes: Buffer, message: Message): Buffer {
  resultCodeOf(bytes, message)
  return rebuilt(bytes, message, 3)
}

function entryOnly(bytes: Buffer, message: Message): Buffer {
  const [name, attributes] = message.parts
  if (name?.tag !== OCTETS || attributes?.tag !== SEQUENCE) throw new NotLdap('an entry without its parts')
  for (const attribute of elementsIn(bytes, attributes.content, attributes.end)) {
    const [type, values, ...more] = elementsIn(bytes, attribute.content, attribute.end)
    const isWhole =
      attribute.tag === SEQUENCE && type?.tag === OCTETS && values?.tag === SET && more.length === 0
    if (!isWhole || elementsIn(bytes, values.content, values.end).some(({ tag }) => tag !== OCTETS))
      throw new NotLdap('an attribute without its parts')
  }
  return rebuilt(bytes, message, 2)
}

function rebuilt(bytes: Buffer, { id, operation, parts }: Message, count: number): Buffer {
  const [first, last] = [parts[0], parts[count - 1]]
  const content = bytes.subarray(first?.begin ?? 0, last?.end ?? 0)
  const number = Buffer.alloc(4)
  number.writeInt32BE(id)
  return encodeElement(
    SEQUENCE,
    Buffer.concat([encodeElement(INTEGER, number), encodeElement(operation, content)]),
  )
}
