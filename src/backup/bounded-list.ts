/** A list for a report: counts all, keeps the first. */
const KEPT = 10_000

export type BoundedList<T> = { count: number; first: T[] }

export function boundedList<T>(): BoundedList<T> {
  return { count: 0, first: [] }
}

export function addTo<T>(list: BoundedList<T>, item: T): void {
  list.count++
  if (list.first.length < KEPT) list.first.push(item)
}
