/** A set of digests in 8 bytes each: a million of them must not cost a hundred MiB. */
import type { Digest } from '../oci/digest.ts'

export type DigestSet = {
  readonly size: number
  /** @returns false: it was there */
  add(digest: Digest): boolean
  has(digest: Digest): boolean
}

/** Digits of a digest that fit into a double beside the 0 that says "free". */
const DIGITS = 13

/**
 * Knows a digest by its first 52 bits. Two of a million share those with a probability of 1 in 9,000: good enough to
 * count, not to decide what is removed.
 */
export function createDigestSet(): DigestSet {
  let slots = new Float64Array(1024)
  let size = 0
  const slotOf = (table: Float64Array, key: number): number => {
    let at = key % table.length
    while (table[at] !== 0 && table[at] !== key) at = (at + 1) % table.length
    return at
  }
  const grow = (): void => {
    const larger = new Float64Array(slots.length * 2)
    for (const key of slots) if (key !== 0) larger[slotOf(larger, key)] = key
    slots = larger
  }
  return {
    get size() {
      return size
    },
    add(digest) {
      const key = keyOf(digest)
      const at = slotOf(slots, key)
      if (slots[at] === key) return false
      slots[at] = key
      size++
      if (size * 2 > slots.length) grow()
      return true
    },
    has(digest) {
      const key = keyOf(digest)
      return slots[slotOf(slots, key)] === key
    },
  }
}

function keyOf(digest: Digest): number {
  return Number.parseInt(digest.slice(7, 7 + DIGITS), 16) + 1
}
