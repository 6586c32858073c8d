/** Tokens whose signature was checked, by the text of their Authorization header, for as long as they are good. */
import { createBoundedMap } from '../../lib/bounded-map.ts'
import type { Principal } from '../principal.ts'
import type { TrustedKeys } from './trusted-keys.ts'

type Verified = {
  principal: Principal
  /** Milliseconds since 1970. */
  until: number
  /** Those it was checked with: with others it has to be checked again. */
  keys: TrustedKeys
}

const MOST_TOKENS = 10_000
/** Characters of all of them. */
const MOST_CHARACTERS = 16 * 1024 * 1024

export function createVerifiedTokens() {
  // Those that are still in use when they go are checked once more.
  const tokens = createBoundedMap<Verified>({ most: MOST_TOKENS, mostCharacters: MOST_CHARACTERS })
  return {
    get(header: string, keys: TrustedKeys, now: number): Principal | undefined {
      const found = tokens.get(header)
      if (found === undefined) return undefined
      if (found.keys === keys && now < found.until) return found.principal
      tokens.delete(header)
      return undefined
    },
    put: (header: string, verified: Verified): void => tokens.set(header, verified),
  }
}
