/** Where names are known: htpasswd, Berth's own users, LDAP … Each is a source; they are asked in a stated order. */
import type { Principal } from './principal.ts'

/** Somebody with a name and a password, or what is used as one. */
export type Attempt = {
  readonly name: string
  readonly password: string
  /** Where from, as `192.0.2.1`. */
  readonly address: string
}

/** Whom a source knows, as it is now. */
export type Account = {
  readonly principal: Principal
  /**
   * Changes when what was given out before (tokens, sessions, what is kept as verified) shall count no more: at least
   * with the password.
   */
  readonly stamp: string
  /** Who it is, where a name may be somebody else's one day (a directory). Absent: nobody can tell, or the id says it. */
  readonly person?: string
  /** Milliseconds since 1970: it ends then (an expiring secret). Absent: it does not. */
  readonly expiresAt?: number
  /** The row of `secrets` it signed in with, if it did with one: ends with that. */
  readonly secretId?: number
}

export type IdentitySource = {
  /** As configuration and log call it; ids of its principals begin with it and a colon. */
  readonly name: 'secrets' | 'users' | 'htpasswd' | 'ldap' | 'workloads' | 'certificates'
  /**
   * `unknown`: no such name here, the next source is asked. `wrong`: the name is known here and this is not its
   * password, which ends the search.
   * @throws RegistryError UNAVAILABLE (it cannot be asked now), TOOMANYREQUESTS (too many at a time)
   */
  verify(attempt: Attempt): Promise<Account | 'unknown' | 'wrong'>
  /**
   * The account with this id as it is now; undefined: gone, or disabled. At once where it is known in memory.
   * @throws RegistryError UNAVAILABLE
   */
  find(id: string): Account | undefined | Promise<Account | undefined>
}
