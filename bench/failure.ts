/** The benchmark cannot go on, or must not be believed: the message says why. No figures are written then. */
export class BenchFailure extends Error {
  override readonly name = 'BenchFailure'
}
