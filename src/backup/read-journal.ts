/**
 * The journal's lines of all processes, in the order in which they were committed. Each file is in order in itself, so
 * they are merged; a file is open only while its turn is.
 */
import { createReadStream } from 'node:fs'
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { journalFiles, PRUNED_FILE } from '../metadata/journal.ts'

export type JournalLine = Readonly<Record<string, unknown>> & { seq: number; do: string }

/** What makes the journal not whole. */
export type JournalGap = {
  file: string
  /** cut: a line that was being written when its process was killed; unreadable: any other; dropped: the disk was full. */
  kind: 'cut' | 'unreadable' | 'dropped'
  /** Of that file, from 1. */
  line: number
}

type ReadJournalOptions = {
  folder: string
  /** Lines of this commit and earlier ones are left out. */
  after: number
  onGap(gap: JournalGap): void
}

/** Lines with a larger `seq` than `after`, in order. */
export async function* readJournal({
  folder,
  after,
  onGap,
}: ReadJournalOptions): AsyncGenerator<JournalLine> {
  const waiting: { name: string; first: number }[] = []
  for (const { name } of journalFiles(folder))
    waiting.push({ name, first: await firstSeq(join(folder, name)) })
  waiting.sort((a, b) => a.first - b.first)
  const active: { lines: AsyncGenerator<JournalLine>; next: JournalLine }[] = []
  const advance = async (lines: AsyncGenerator<JournalLine>): Promise<void> => {
    const { value, done } = await lines.next()
    if (done !== true) active.push({ lines, next: value })
  }
  try {
    for (;;) {
      active.sort((a, b) => a.next.seq - b.next.seq)
      const [earliest] = active
      const file = waiting[0]
      if (file !== undefined && (earliest === undefined || file.first <= earliest.next.seq)) {
        waiting.shift()
        await advance(readFileLines(folder, file.name, onGap))
        continue
      }
      if (earliest === undefined) return
      active.shift()
      if (earliest.next.seq > after) yield earliest.next
      await advance(earliest.lines)
    }
  } finally {
    for (const { lines } of active) await lines.return(undefined)
  }
}

/** Files whose first line cannot be read come first: what can be read of them is in order all the same. */
async function firstSeq(path: string): Promise<number> {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(64), 0, 64, 0)
    const seq = Number(/^\{"seq":(\d+),/.exec(buffer.toString('latin1', 0, bytesRead))?.[1] ?? 0)
    return Number.isSafeInteger(seq) ? seq : 0
  } finally {
    await file.close()
  }
}

async function* readFileLines(
  folder: string,
  name: string,
  onGap: ReadJournalOptions['onGap'],
): AsyncGenerator<JournalLine> {
  const input = createReadStream(join(folder, name))
  const lines = createInterface({ input, crlfDelay: Infinity })
  let number = 0
  let last = 0
  let isBroken = false
  try {
    for await (const text of lines) {
      number++
      // A line that cannot be read is only a cut one where nothing follows.
      if (isBroken) onGap({ file: name, kind: 'unreadable', line: number - 1 })
      isBroken = false
      if (text === '') continue
      const line = parse(text)
      if (line === undefined) isBroken = true
      else if (line.do === 'gap') onGap({ file: name, kind: 'dropped', line: number })
      else if (line.seq >= last) {
        last = line.seq
        yield line
      } else isBroken = true
    }
    if (isBroken) onGap({ file: name, kind: 'cut', line: number })
  } finally {
    lines.close()
    input.destroy()
  }
}

function parse(text: string): JournalLine | undefined {
  try {
    const line = JSON.parse(text) as Partial<JournalLine> | null
    if (typeof line?.do !== 'string') return undefined
    if (line.do !== 'gap' && !Number.isSafeInteger(line.seq)) return undefined
    return line as JournalLine
  } catch {
    return undefined
  }
}

/** The first day (`2026-01-31`) from which on the journal has all files; undefined: none was ever removed. */
export async function prunedBefore(folder: string): Promise<string | undefined> {
  try {
    return (await readFile(join(folder, PRUNED_FILE), 'utf8')).trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
