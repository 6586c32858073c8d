/** As much of the Basic Encoding Rules as answers of a directory have (RFC 4511, section 5.1: definite lengths only). */

/** One element: its tag, and where it and its content lie in the bytes. */
export type Element = { tag: number; begin: number; content: number; end: number }

export class NotLdap extends Error {
  override readonly name = 'NotLdap'
}

/**
 * The element that begins at an offset; undefined: it is not there whole.
 * @throws NotLdap
 */
export function readElement(bytes: Buffer, begin: number): Element | undefined {
  const tag = bytes[begin]
  const first = bytes[begin + 1]
  if (tag === undefined || first === undefined) return undefined
  if ((tag & 0x1f) === 0x1f) throw new NotLdap('a tag of several bytes')
  const lengthBytes = first & 0x80 ? first & 0x7f : 0
  if ((first & 0x80) !== 0 && (lengthBytes === 0 || lengthBytes > 4))
    throw new NotLdap('a length that cannot be')
  const content = begin + 2 + lengthBytes
  if (bytes.length < content) return undefined
  const length = lengthBytes === 0 ? first : bytes.readUIntBE(begin + 2, lengthBytes)
  return { tag, begin, content, end: content + length }
}

/**
 * All elements of which a part consists.
 * @throws NotLdap: they do not fill it exactly
 */
export function elementsIn(bytes: Buffer, from: number, to: number): Element[] {
  const found: Element[] = []
  for (let at = from; at < to;) {
    const element = readElement(bytes.subarray(0, to), at)
    if (element === undefined || element.end > to) throw new NotLdap('an element that goes beyond its end')
    found.push(element)
    at = element.end
  }
  return found
}

export function encodeElement(tag: number, content: Buffer): Buffer {
  if (content.length < 0x80) return Buffer.concat([Buffer.from([tag, content.length]), content])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(content.length)
  return Buffer.concat([Buffer.from([tag, 0x84]), length, content])
}
