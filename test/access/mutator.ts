/** Texts that are nearly right, the same for the same seed. */
export type Mutator = {
  /** 0 to n-1 */
  below(n: number): number
  pick<T>(values: readonly T[]): T
  /** Characters that a header line can carry. */
  text(length: number): string
  /** A few characters changed, removed, doubled or put elsewhere. */
  mutate(text: string): string
}

export function createMutator(seed: number): Mutator {
  let state = (seed + 1) * 0x9e3779b9
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
  const below = (n: number): number => next() % Math.max(1, n)
  const pick = <T>(values: readonly T[]): T => values[below(values.length)] as T
  // Latin-1 as a header can hold it: printable, blank, tab, and above 0x7f.
  const character = (): string => {
    const code = below(8) === 0 ? 0x80 + below(0x80) : below(40) === 0 ? 9 : 0x20 + below(0x5f)
    return String.fromCharCode(code)
  }
  const text = (length: number): string => Array.from({ length }, character).join('')
  const mutateOnce = (value: string): string => {
    const at = below(value.length + 1)
    const to = at + below(8)
    switch (below(6)) {
      case 0:
        return value.slice(0, at) + character() + value.slice(at + 1)
      case 1:
        return value.slice(0, at) + value.slice(to)
      case 2:
        return value.slice(0, to) + value.slice(at)
      case 3:
        return value.slice(0, at) + text(below(6)) + value.slice(at)
      case 4:
        return value.slice(at) + value.slice(0, at)
      default:
        // Of Latin-1 some are beyond it in upper case, where no header can hold them.
        return below(2) === 0
          ? value.replaceAll(/[a-z]/g, (letter) => letter.toUpperCase())
          : value.slice(0, at)
    }
  }
  return {
    below,
    pick,
    text,
    mutate: (value) => Array.from({ length: 1 + below(3) }).reduce<string>((one) => mutateOnce(one), value),
  }
}
