/** Passwords are hashed and compared on threads of their own: it is slow on purpose. */
export type PasswordHasher = {
  /**
   * A hash to be stored, of the kind that Berth itself makes.
   * @throws RangeError for a password that none can be (`passwordProblem` says why)
   * @throws RegistryError TOOMANYREQUESTS
   */
  hash(password: string): Promise<string>
  /**
   * Whether a password has this hash, of any kind that is known (`kindOfHash`); false where it is of none.
   * @throws RegistryError TOOMANYREQUESTS: as many as can be are waiting already
   */
  verify(password: string, hash: string): Promise<boolean>
  /**
   * Takes as long as {@link verify} does, for a name that nobody has. Hashes may differ in what they cost: one name is
   * always compared with the same one of them, so that it cannot be told from a name that somebody has.
   * @throws RegistryError TOOMANYREQUESTS
   */
  verifyNobody(password: string, name?: string): Promise<void>
  /** The hashes of a source, which {@link verifyNobody} is to take as long as; said again when they change. */
  imitate(source: string, hashes: readonly string[]): void
  close(): Promise<void>
}

/** In UTF-8. Some kinds take longer for a longer password, so there must be an end. */
const LONGEST_PASSWORD = 512

/** Why nobody can have this password; undefined: somebody can. For people: it continues "the password". */
export function passwordProblem(password: string): string | undefined {
  if (password === '') return 'is empty'
  if (password.includes('\0')) return 'has a NUL character'
  if (Buffer.byteLength(password) > LONGEST_PASSWORD) return `is longer than ${LONGEST_PASSWORD} bytes`
  return undefined
}
