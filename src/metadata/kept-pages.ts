/** Pages of lists in memory, exactly as fresh as the database: the same page object while nothing has changed. */
import { createRecentMap } from '../lib/recent-map.ts'
import type { Db } from './database.ts'

type KeptPages<Page> = {
  /** @param load reads the page; it may wait between its reads */
  get(group: string, key: string, load: () => Promise<Page>): Promise<Page>
}

/**
 * @param maxBytes of all pages
 * @param weigh bytes that a page holds in memory, with what is made of it
 */
export function createKeptPages<Page>(
  db: Pick<Db, 'changes'>,
  maxBytes: number,
  weigh: (page: Page) => number,
): KeptPages<Page> {
  const pages = createRecentMap<Page>(maxBytes)
  let madeOf = NaN
  return {
    async get(group, key, load) {
      const before = db.changes()
      if (before !== madeOf) pages.clear()
      madeOf = before
      const kept = pages.get(group, key)
      if (kept !== undefined) return kept
      const page = await load()
      // What was read while something changed may be older, or of two moments.
      if (db.changes() === before && madeOf === before) pages.set(group, key, page, weigh(page))
      return page
    },
  }
}
