/** Searching names by reading their list: nothing is kept that would have to be kept up to date. */
import type { TakeTurn } from '../lib/turns.ts'
import type { FoundNames, NamePage, Page } from './registry.ts'

/** Names that one call looks at. */
const MAX_LOOKED_AT = 20_000
const PAGE = 1000

/**
 * Names that contain `text`, in capitals or not. It is only ever compared, so that no character of it means anything.
 * @param signal ends it with what was found until then
 */
export async function searchNames(
  list: (page: Page) => Promise<NamePage>,
  text: string,
  { limit, after }: Page,
  signal: AbortSignal,
  takeTurn: TakeTurn,
): Promise<FoundNames> {
  const wanted = text.toLowerCase()
  const names: string[] = []
  let last = after
  for (let looked = 0; looked < MAX_LOOKED_AT; looked += PAGE) {
    if (last !== undefined) await takeTurn()
    if (signal.aborted) break
    const page = await list({ limit: PAGE, after: last })
    for (const name of page.names) {
      last = name
      if (!name.includes(wanted)) continue
      names.push(name)
      if (names.length === limit) return { names, next: name }
    }
    if (!page.more) return { names }
  }
  return last === undefined ? { names } : { names, next: last }
}
