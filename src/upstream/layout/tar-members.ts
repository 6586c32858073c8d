/**
 * Where the members of a tar lie, so that they can be read in any order (POSIX pax, and GNU's long names). Their bytes
 * are passed over, whatever their size.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { posix } from 'node:path'
import { LayoutError } from './layout.ts'

export type Member = { at: number; size: number }

const BLOCK = 512
const LARGEST_EXTENSION = 1024 * 1024
const MOST_LINKS = 8

type Header = { name: string; size: number; type: string; link: string }
type Extension = { path?: string; linkpath?: string; size?: number }

/**
 * Files by their names, without `./`; links lead to what they name.
 * @throws LayoutError: it is no whole tar
 */
export function readTarMembers(path: string): ReadonlyMap<string, Member> {
  const file = opened(path)
  try {
    const { size } = fstatSync(file)
    const read = (at: number, length: number): Buffer => {
      const bytes = Buffer.alloc(length)
      if (readSync(file, bytes, 0, length, at) !== length)
        throw new LayoutError(`${path} ends in the middle: get it again`)
      return bytes
    }
    refuseCompressed(path, read(0, Math.min(size, 6)))
    return membersOf(path, size, read)
  } finally {
    closeSync(file)
  }
}

function opened(path: string): number {
  try {
    return openSync(path, 'r')
  } catch (error) {
    throw new LayoutError(`${path} cannot be read (${(error as NodeJS.ErrnoException).code})`)
  }
}

function refuseCompressed(path: string, start: Buffer): void {
  const kinds: readonly [string, string][] = [
    ['1f8b', 'gunzip'],
    ['28b52ffd', 'unzstd'],
    ['fd377a585a00', 'unxz'],
    ['425a68', 'bunzip2'],
  ]
  const found = kinds.find(([magic]) => start.toString('hex').startsWith(magic))
  if (found !== undefined) throw new LayoutError(`${path} is compressed: unpack it first with "${found[1]}"`)
}

function membersOf(
  path: string,
  end: number,
  read: (at: number, length: number) => Buffer,
): Map<string, Member> {
  const members = new Map<string, Member>()
  const links = new Map<string, string>()
  let extension: Extension = {}
  for (let at = 0; at + BLOCK <= end;) {
    const block = read(at, BLOCK)
    if (block.every((byte) => byte === 0)) break
    const header = headerOf(block, path)
    const size = extension.size ?? header.size
    // A negative one would lead back, for ever.
    if (!Number.isSafeInteger(size) || size < 0) throw new LayoutError(`${path} is no tar, or a damaged one`)
    const body = at + BLOCK
    at = body + Math.ceil(size / BLOCK) * BLOCK
    if (body + size > end) throw new LayoutError(`${path} ends in the middle: get it again`)
    if ('xLK'.includes(header.type)) {
      if (size > LARGEST_EXTENSION) throw new LayoutError(`${path} is no tar that is understood here`)
      extension = { ...extension, ...extensionOf(header.type, read(body, size)) }
      continue
    }
    if (header.type !== 'g') {
      const name = normal(extension.path ?? header.name)
      const link = extension.linkpath ?? header.link
      if (header.type === '0' || header.type === '7') members.set(name, { at: body, size })
      else if (header.type === '1') links.set(name, normal(link))
      else if (header.type === '2') links.set(name, normal(posix.join(posix.dirname(name), link)))
      extension = {}
    }
  }
  for (const name of links.keys()) {
    const found = behind(name, links, members)
    if (found !== undefined && !members.has(name)) members.set(name, found)
  }
  return members
}

function behind(
  name: string,
  links: ReadonlyMap<string, string>,
  members: ReadonlyMap<string, Member>,
): Member | undefined {
  let at: string | undefined = name
  for (let hops = 0; at !== undefined && hops < MOST_LINKS; hops++) {
    const found = members.get(at)
    if (found !== undefined) return found
    at = links.get(at)
  }
  return undefined
}

const normal = (name: string): string => posix.normalize(name).replace(/^(?:\.\/)+/, '')

function headerOf(block: Buffer, path: string): Header {
  const text = (from: number, length: number): string => {
    const field = block.subarray(from, from + length)
    const end = field.indexOf(0)
    return field.subarray(0, end < 0 ? length : end).toString('utf8')
  }
  const sum = block.reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 0x20 : byte), 0)
  if (Number.parseInt(text(148, 8).trim(), 8) !== sum)
    throw new LayoutError(`${path} is no tar, or a damaged one`)
  const prefix = text(257, 6).startsWith('ustar') && block[263] === 0x30 ? text(345, 155) : ''
  const name = text(0, 100)
  const type = block[156] === 0 ? '0' : String.fromCharCode(block[156] as number)
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    size: sizeOf(block, text(124, 12)),
    type,
    link: text(157, 100),
  }
}

/** Octal, or binary where the first bit says so (GNU, beyond 8 GiB). */
function sizeOf(block: Buffer, octal: string): number {
  if (((block[124] as number) & 0x80) !== 0) return Number(block.readBigUInt64BE(128))
  return octal.trim() === '' ? 0 : Number.parseInt(octal, 8)
}

function extensionOf(type: string, bytes: Buffer): Extension {
  if (type !== 'x') {
    const text = bytes.toString('utf8').replace(/\0+$/, '')
    return type === 'L' ? { path: text } : { linkpath: text }
  }
  const extension: Extension = {}
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(0x20, at)
    const length = Number(bytes.subarray(at, space).toString('latin1'))
    if (space < 0 || !Number.isSafeInteger(length) || length <= 0) break
    const record = bytes.subarray(space + 1, at + length - 1).toString('utf8')
    const equals = record.indexOf('=')
    const [key, value] = [record.slice(0, equals), record.slice(equals + 1)]
    if (key === 'path' || key === 'linkpath') extension[key] = value
    else if (key === 'size') extension.size = Number(value)
    at += length
  }
  return extension
}
