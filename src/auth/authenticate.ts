/** Authorization header → Principal, and Principal × Permission → Verdict. */
import type { IncomingMessage } from 'node:http'
import type { Permission, Verdict } from './permission.ts'
import { openPrincipal, type Principal } from './principal.ts'

/** The gate every request passes: who is it, and may they. */
export type Gate = {
  /**
   * @throws RegistryError UNAUTHORIZED for credentials that are wrong; no credentials give the anonymous principal.
   */
  authenticate(request: IncomingMessage): Principal | Promise<Principal>
  authorize(principal: Principal, permission: Permission): Verdict | Promise<Verdict>
}

/** Everyone may do everything: what `registry:2` does without an `auth` section. */
export function createOpenGate(): Gate {
  return { authenticate: () => openPrincipal, authorize: () => 'allowed' }
}
