/** A map by texts that keeps no more than it may: what was put in first goes first. */
export type BoundedMap<Value> = {
  get(key: string): Value | undefined
  /** It is the newest entry then. */
  set(key: string, value: Value): void
  delete(key: string): void
  clear(): void
}

export type BoundedMapOptions = {
  /** Entries. */
  most: number
  /** Characters of all keys together. */
  mostCharacters?: number
}

export function createBoundedMap<Value>({
  most,
  mostCharacters = Infinity,
}: BoundedMapOptions): BoundedMap<Value> {
  const entries = new Map<string, Value>()
  let characters = 0
  const drop = (key: string): void => {
    if (entries.delete(key)) characters -= key.length
  }
  return {
    get: (key) => entries.get(key),
    set(key, value) {
      drop(key)
      entries.set(key, value)
      characters += key.length
      for (const oldest of entries.keys()) {
        if (entries.size <= most && characters <= mostCharacters) break
        drop(oldest)
      }
    },
    delete: drop,
    clear() {
      entries.clear()
      characters = 0
    },
  }
}
