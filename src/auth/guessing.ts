/** Who guesses passwords has to wait, longer each time. */
export type GuessGuard = {
  /**
   * Before a password is looked at.
   * @throws RegistryError TOOMANYREQUESTS with `retryAfter`: too many wrong ones from there, or for that name from there
   */
  check(name: string, address: string): void
  /** One of these three for each that {@link check} let through. */
  failed(name: string, address: string): void
  succeeded(name: string, address: string): void
  /** It could not be looked at. */
  gaveUp(name: string, address: string): void
}
