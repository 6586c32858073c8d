/** The gate: Authorization header → Principal, and Principal × Permission → Verdict. */
import type { IncomingMessage } from 'node:http'
import type { RegistryError } from '../oci/error.ts'
import type { Permission, Verdict } from './permission.ts'
import { openPrincipal, type Principal } from './principal.ts'

/** A request that was refused with 401. */
export type Refused = {
  permissions: readonly Permission[]
  /** Absent: its credentials were wrong. */
  principal: Principal | undefined
  error: RegistryError
}

/** The gate every request passes: who is it, and may they. */
export type Gate = {
  /**
   * @throws RegistryError UNAUTHORIZED for credentials that are wrong; no credentials give the anonymous principal.
   * TOOMANYREQUESTS: too many wrong ones before. UNAVAILABLE: what knows them cannot be asked now
   */
  authenticate(request: IncomingMessage): Principal | Promise<Principal>
  authorize(principal: Principal, permission: Permission): Verdict | Promise<Verdict>
  /** `WWW-Authenticate` of the answer; undefined: none. */
  challenge(request: IncomingMessage, refused: Refused): string | undefined
  /** `detail` of the error in the answer's body, where the error itself has none. */
  detail?(request: IncomingMessage, refused: Refused): unknown
}

/** Everyone may do everything: what `registry:2` does without an `auth` section. */
export function createOpenGate(): Gate {
  return { authenticate: () => openPrincipal, authorize: () => 'allowed', challenge: () => undefined }
}
