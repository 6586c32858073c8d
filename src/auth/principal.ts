/** Who asks. */
export type Principal = {
  /** Stable identity that rows hold; NULL-like `anonymous` for those who did not sign in. */
  id: string
  /** The name as people read it; kept beside the id in audit rows. */
  name: string
  kind: 'open' | 'anonymous' | 'user' | 'robot'
}

/** Everyone, in a registry that runs without access control. */
export const openPrincipal: Principal = { id: 'open', name: 'anonymous', kind: 'open' }
