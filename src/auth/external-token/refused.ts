/** Why a token does not count. */

/**
 * What Distribution tells apart in its challenge. `malformed`: not readable, or an algorithm that is not taken;
 * `invalid`: its key, issuer, audience or time; `unverified`: its signature, or claims that are of the wrong type.
 */
export type Failure = 'malformed' | 'invalid' | 'unverified'

export class TokenRefusedError extends Error {
  override readonly name = 'TokenRefusedError'
  readonly failure: Failure

  /** @param why for people: what follows "the token does not count: "; nothing of the token stands in it */
  constructor(failure: Failure, why: string, options?: { cause?: unknown }) {
    super(why, options)
    this.failure = failure
  }
}
