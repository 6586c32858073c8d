/** Just enough of tar (POSIX ustar) to make the layers that the clients push. */
export type Entry = { path: string; mode: number } & (
  { kind: 'file'; bytes: Buffer } | { kind: 'folder' } | { kind: 'link'; target: string }
)

const BLOCK = 512
const TYPE = { file: '0', folder: '5', link: '2' } as const

/** Always the same bytes for the same entries: owner 0, time 0. */
export function tarOf(entries: Entry[]): Buffer {
  const parts: Buffer[] = []
  for (const entry of entries) {
    const bytes = entry.kind === 'file' ? entry.bytes : Buffer.alloc(0)
    parts.push(headerOf(entry, bytes.length), bytes, Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK))
  }
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)])
}

function headerOf(entry: Entry, size: number): Buffer {
  const header = Buffer.alloc(BLOCK)
  const octal = (value: number, at: number, width: number): void => {
    header.write(value.toString(8).padStart(width - 1, '0'), at, 'latin1')
  }
  header.write(entry.kind === 'folder' ? `${entry.path}/` : entry.path, 0, 100, 'utf8')
  octal(entry.mode, 100, 8)
  octal(0, 108, 8)
  octal(0, 116, 8)
  octal(size, 124, 12)
  octal(0, 136, 12)
  header.write('        ', 148, 'latin1')
  header.write(TYPE[entry.kind], 156, 'latin1')
  if (entry.kind === 'link') header.write(entry.target, 157, 100, 'utf8')
  header.write('ustar\x0000', 257, 'latin1')
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return header
}
