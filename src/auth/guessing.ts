/** Who guesses passwords has to wait, longer each time. */
export type GuessGuard = {
  /**
   * Before a password is looked at.
   * @throws RegistryError TOOMANYREQUESTS with `retryAfter`: too many wrong ones from there, or for that name from there
   */
  check(name: string, address: string): void
  failed(name: string, address: string): void
  succeeded(name: string, address: string): void
}
