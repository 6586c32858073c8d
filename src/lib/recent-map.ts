/**
 * What was used lately, bounded by weight, by two maps: what is used goes into the new one; when that holds half of
 * what may be held it becomes the old one, and what lay in there and was not used since is gone.
 *
 * A list of the least recently used by one Map, whose entries are taken out and put in again with each use, walks past
 * every trace of the hottest key until the Map is made again: microseconds in one of thousands.
 */
export type RecentMap<Value> = {
  /** A key has two parts: to look for one of two is faster than to look for both as one text. */
  get(group: string, key: string): Value | undefined
  /** @param weight in the unit of the bound */
  set(group: string, key: string, value: Value, weight: number): void
  delete(group: string, key: string): void
  clear(): void
}

type Entry<Value> = { readonly value: Value; readonly weight: number }
type Half<Value> = Map<string, Map<string, Entry<Value>>>

/** @param most weight of all entries; one that weighs more than half of it is not kept */
export function createRecentMap<Value>(most: number): RecentMap<Value> {
  let recent: Half<Value> = new Map()
  let older: Half<Value> = new Map()
  let weight = 0

  function keep(group: string, key: string, entry: Entry<Value>): void {
    const before = recent.get(group)?.get(key)?.weight ?? 0
    if (weight - before + entry.weight > most / 2) {
      older = recent
      recent = new Map()
      weight = 0
    } else {
      weight -= before
    }
    const entries = recent.get(group)
    if (entries === undefined) recent.set(group, new Map([[key, entry]]))
    else entries.set(key, entry)
    weight += entry.weight
  }

  function remove(group: string, key: string): void {
    const entries = recent.get(group)
    weight -= entries?.get(key)?.weight ?? 0
    entries?.delete(key)
    older.get(group)?.delete(key)
  }

  return {
    get(group, key) {
      const found = recent.get(group)?.get(key)
      if (found !== undefined) return found.value
      const old = older.get(group)?.get(key)
      if (old === undefined) return undefined
      keep(group, key, old)
      return old.value
    },
    set(group, key, value, weighs) {
      if (weighs > most / 2) remove(group, key)
      else keep(group, key, { value, weight: weighs })
    },
    delete: remove,
    clear() {
      recent = new Map()
      older = new Map()
      weight = 0
    },
  }
}
