/** Tokens whose signature was checked, by the text of their Authorization header, for as long as they are good. */
import type { Principal } from '../principal.ts'
import type { TrustedKeys } from './trusted-keys.ts'

type Verified = {
  principal: Principal
  /** Milliseconds since 1970. */
  until: number
  /** Those it was checked with: with others it has to be checked again. */
  keys: TrustedKeys
}

export type VerifiedTokens = {
  get(header: string, keys: TrustedKeys, now: number): Principal | undefined
  put(header: string, verified: Verified): void
}

const MOST_TOKENS = 10_000
/** Characters of all of them. */
const MOST_CHARACTERS = 16 * 1024 * 1024

export function createVerifiedTokens(): VerifiedTokens {
  const tokens = new Map<string, Verified>()
  let characters = 0
  const remove = (header: string): void => {
    if (tokens.delete(header)) characters -= header.length
  }
  return {
    get(header, keys, now) {
      const found = tokens.get(header)
      if (found === undefined) return undefined
      if (found.keys === keys && now < found.until) return found.principal
      remove(header)
      return undefined
    },
    put(header, verified) {
      remove(header)
      tokens.set(header, verified)
      characters += header.length
      // The oldest first: those that are still in use are checked once more.
      for (const oldest of tokens.keys()) {
        if (tokens.size <= MOST_TOKENS && characters <= MOST_CHARACTERS) break
        remove(oldest)
      }
    },
  }
}
