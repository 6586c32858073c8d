/** Passwords are hashed and compared on threads of their own: it is slow on purpose. */
export type PasswordHasher = {
  /** A hash to be stored, of the kind that Berth itself makes. @throws RegistryError TOOMANYREQUESTS */
  hash(password: string): Promise<string>
  /**
   * Whether a password has this hash, of any kind that is known ({@link kindOfHash}).
   * @throws RegistryError TOOMANYREQUESTS: as many as can be are waiting already
   */
  verify(password: string, hash: string): Promise<boolean>
  /** Takes as long as {@link verify} does, for a name that nobody has. @throws RegistryError TOOMANYREQUESTS */
  verifyNobody(password: string): Promise<void>
  close(): Promise<void>
}
