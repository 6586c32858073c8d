/** Asks sources for a content, one after the other, until one has it whole. */
import { type Source, SourceError, type Wanted } from '../sources/source.ts'

/** A source that could not be asked so often in a row is asked no more. */
const MOST_FAILURES = 3

/** `from`: who had it. `why`: what stood in the way, where nobody did. */
export type Fetched = { from?: string; why?: string }

/**
 * Tries every copy that sources have until `take` is content with one.
 * @param take throws for a copy that is not what is wanted
 */
type FirstOf = (
  wanted: Wanted,
  sources: readonly Source[],
  signal: AbortSignal,
  take: (copy: AsyncIterable<Uint8Array>) => Promise<void>,
) => Promise<Fetched>

/** @param own the data folder itself: the damaged file is among what it has, and is no reason to tell */
export function createSourcesInTurn(own: Source): FirstOf {
  const failures = new Map<Source, number>()

  return async (wanted, sources, signal, take) => {
    const reasons = new Set<string>()
    for (const source of sources) {
      if ((failures.get(source) ?? 0) >= MOST_FAILURES) {
        reasons.add(`${source.name} was given up`)
        continue
      }
      try {
        for await (const copy of source.copies(wanted, signal)) {
          const refused = await take(copy).catch((error: unknown) => error)
          if (refused === undefined) return { from: source.name }
          signal.throwIfAborted()
          if (source !== own) reasons.add(`${source.name}: ${(refused as Error).message}`)
        }
        failures.delete(source)
      } catch (error) {
        signal.throwIfAborted()
        if (!(error instanceof SourceError)) throw error
        failures.set(source, (failures.get(source) ?? 0) + 1)
        reasons.add(error.message)
      }
    }
    return reasons.size === 0 ? { why: 'no source has it' } : { why: [...reasons].slice(0, 3).join('; ') }
  }
}
