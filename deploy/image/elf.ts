/** ELF files (64 bit, little-endian: amd64 and arm64): what they are for, what they need, and without their symbols. */

const MACHINES: Readonly<Record<number, 'amd64' | 'arm64'>> = { 62: 'amd64', 183: 'arm64' }
const PT_LOAD = 1
const PT_DYNAMIC = 2
const PT_INTERP = 3
const DT_NEEDED = 1
const DT_STRTAB = 5
const DT_SONAME = 14
const SHF_ALLOC = 2n
const SHT_NOBITS = 8
const SECTION_HEADER = 64
const PROGRAM_HEADER = 56

type Segment = { type: number; offset: number; address: number; size: number }
type Section = {
  header: Buffer
  name: string
  isLoaded: boolean
  hasBytes: boolean
  offset: number
  size: number
}

export type Elf = {
  architecture: 'amd64' | 'arm64'
  /** The program that loads it, e.g. `/lib64/ld-linux-x86-64.so.2`; a library has none. */
  interpreter: string | undefined
  /** The libraries it names, e.g. `libc.so.6`. */
  needed: string[]
  /** The name it is needed by. */
  soname: string | undefined
}

export function isElf(bytes: Uint8Array): boolean {
  return bytes.length > 64 && Buffer.from(bytes.buffer, bytes.byteOffset, 4).toString('latin1') === '\x7fELF'
}

/** @throws Error: it is not ELF, or of a kind that no image of ours has */
export function readElf(bytes: Uint8Array): Elf {
  const file = bufferOf(bytes)
  const architecture = MACHINES[file.readUInt16LE(18)]
  if (architecture === undefined) throw new Error(`an ELF file for machine ${file.readUInt16LE(18)}`)
  const segments = segmentsOf(file)
  const interp = segments.find(({ type }) => type === PT_INTERP)
  const dynamic = dynamicOf(file, segments)
  const strings = dynamic.find(({ tag }) => tag === DT_STRTAB)?.value ?? 0
  const text = (value: number): string => textAt(file, offsetOf(segments, strings) + value)
  const soname = dynamic.find(({ tag }) => tag === DT_SONAME)
  return {
    architecture,
    interpreter: interp && textAt(file, interp.offset),
    needed: dynamic.filter(({ tag }) => tag === DT_NEEDED).map(({ value }) => text(value)),
    soname: soname && text(soname.value),
  }
}

/**
 * Without what is not loaded into memory when the file runs: debugging information, and the symbols that only
 * debuggers read. What a linker at run time needs is loaded, and stays. The tools of the compilers (`strip`) do the
 * same, but write other bytes from version to version, and each knows one architecture.
 * @throws Error: what is to go lies among what is loaded
 */
export function strip(bytes: Uint8Array): Buffer {
  const file = bufferOf(bytes)
  const loaded = segmentsOf(file).filter(({ type }) => type === PT_LOAD)
  const end = Math.max(64, ...loaded.map(({ offset, size }) => offset + size))
  const sections = sectionsOf(file)
  const kept = sections.filter(({ isLoaded }, index) => isLoaded || index === 0)
  for (const { name, isLoaded, hasBytes, offset, size } of sections) {
    if (hasBytes && isLoaded && offset + size > end)
      throw new Error(`the section ${name} lies behind the segments`)
    if (hasBytes && !isLoaded && size > 0 && offset < end)
      throw new Error(`the section ${name} lies among the segments`)
  }
  return writeStripped(file.subarray(0, end), sections, kept)
}

/** The segments, the names of the sections that stay, and their table. */
function writeStripped(body: Buffer, sections: readonly Section[], kept: readonly Section[]): Buffer {
  const names = Buffer.from(
    `\0${kept
      .slice(1)
      .map(({ name }) => `${name}\0`)
      .join('')}.shstrtab\0`,
    'latin1',
  )
  const namesAt = body.length
  const tableAt = Math.ceil((namesAt + names.length) / 8) * 8
  const result = Buffer.alloc(tableAt + (kept.length + 1) * SECTION_HEADER)
  body.copy(result)
  names.copy(result, namesAt)
  const placeOf = new Map(kept.map((section, place) => [sections.indexOf(section), place]))
  let nameAt = 1
  kept.forEach(({ header, name }, place) => {
    const at = tableAt + place * SECTION_HEADER
    header.copy(result, at)
    if (place === 0) return
    result.writeUInt32LE(nameAt, at)
    // Sections name each other by number; whom they name has moved, or is gone.
    result.writeUInt32LE(placeOf.get(header.readUInt32LE(40)) ?? 0, at + 40)
    const pointsToSection = [4, 9].includes(header.readUInt32LE(4))
    if (pointsToSection) result.writeUInt32LE(placeOf.get(header.readUInt32LE(44)) ?? 0, at + 44)
    nameAt += name.length + 1
  })
  writeNamesHeader(result.subarray(tableAt + kept.length * SECTION_HEADER), {
    nameAt,
    namesAt,
    size: names.length,
  })
  result.writeBigUInt64LE(BigInt(tableAt), 40)
  result.writeUInt16LE(kept.length + 1, 60)
  result.writeUInt16LE(kept.length, 62)
  return result
}

function writeNamesHeader(
  header: Buffer,
  { nameAt, namesAt, size }: { nameAt: number; namesAt: number; size: number },
): void {
  const SHT_STRTAB = 3
  header.writeUInt32LE(nameAt, 0)
  header.writeUInt32LE(SHT_STRTAB, 4)
  header.writeBigUInt64LE(BigInt(namesAt), 24)
  header.writeBigUInt64LE(BigInt(size), 32)
  header.writeBigUInt64LE(1n, 48)
}

function bufferOf(bytes: Uint8Array): Buffer {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  if (!isElf(file) || file[4] !== 2 || file[5] !== 1)
    throw new Error('not an ELF file of 64 bits, little-endian')
  return file
}

function segmentsOf(file: Buffer): Segment[] {
  const at = number(file, 32)
  return Array.from({ length: file.readUInt16LE(56) }, (_, index) => {
    const header = file.subarray(at + index * PROGRAM_HEADER)
    const [offset, address, size] = [number(header, 8), number(header, 16), number(header, 32)]
    return { type: header.readUInt32LE(0), offset, address, size }
  })
}

function sectionsOf(file: Buffer): Section[] {
  const at = number(file, 40)
  const headers = Array.from({ length: file.readUInt16LE(60) }, (_, index) =>
    file.subarray(at + index * SECTION_HEADER, at + (index + 1) * SECTION_HEADER),
  )
  const names = headers[file.readUInt16LE(62)]
  const namesAt = names === undefined ? 0 : number(names, 24)
  return headers.map((header, index) => ({
    header,
    name: index === 0 ? '' : textAt(file, namesAt + header.readUInt32LE(0)),
    isLoaded: (header.readBigUInt64LE(8) & SHF_ALLOC) !== 0n,
    hasBytes: index > 0 && header.readUInt32LE(4) !== SHT_NOBITS,
    offset: number(header, 24),
    size: number(header, 32),
  }))
}

function dynamicOf(file: Buffer, segments: readonly Segment[]): { tag: number; value: number }[] {
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC)
  if (dynamic === undefined) return []
  return Array.from({ length: Math.floor(dynamic.size / 16) }, (_, index) => ({
    tag: Number(file.readBigInt64LE(dynamic.offset + index * 16)),
    value: number(file, dynamic.offset + index * 16 + 8),
  }))
}

/** Where in the file an address of memory is. */
function offsetOf(segments: readonly Segment[], address: number): number {
  const segment = segments.find((one) => {
    return one.type === PT_LOAD && address >= one.address && address < one.address + one.size
  })
  if (segment === undefined) throw new Error(`the address ${address} is in no segment`)
  return address - segment.address + segment.offset
}

const number = (bytes: Buffer, at: number): number => Number(bytes.readBigUInt64LE(at))

function textAt(file: Buffer, at: number): string {
  return file.toString('latin1', at, file.indexOf(0, at))
}
