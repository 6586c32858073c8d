/** Many small lines, few writes: what is logged within one turn of the event loop goes out in one write. */
type LineWriter = {
  write(line: string): void
  /** Writes what is waiting now: before the process ends, and where a line must not be lost. */
  flush(): void
}

/** @param write takes text to append, e.g. `process.stdout.write`. */
export function createLineWriter({
  write,
  maxWaiting = 64 * 1024,
}: {
  write: (text: string) => void
  /** UTF-16 units after which the turn's end is not awaited. */
  maxWaiting?: number
}): LineWriter {
  let waiting = ''
  let scheduled = false
  const flush = (): void => {
    if (waiting === '') return
    const text = waiting
    waiting = ''
    write(text)
  }
  const atEndOfTurn = (): void => {
    scheduled = false
    flush()
  }
  return {
    write(line) {
      waiting += line
      if (waiting.length >= maxWaiting) return flush()
      if (scheduled) return
      scheduled = true
      setImmediate(atEndOfTurn)
    },
    flush,
  }
}
