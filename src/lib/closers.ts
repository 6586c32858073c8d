/** What gives back what was opened, in the order of opening. */
export type Closers = (() => Promise<void>)[]

/** Calls each once, the last one first; what is added meanwhile too. */
export async function closeInReverse(closers: Closers): Promise<void> {
  for (let close = closers.pop(); close !== undefined; close = closers.pop()) await close()
}
