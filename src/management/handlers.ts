/** Who answers which route. One that is missing does not compile. */
import type { ApiOptions } from './options.ts'
import type { RouteName } from './contract.ts'
import type { Handler, HandlersFor } from './exchange.ts'
import { createAuditHandlers } from './handle-audit.ts'
import { createExplainHandlers } from './handle-explain.ts'
import { createGroupHandlers } from './handle-groups.ts'
import { createOwnHandlers } from './handle-me.ts'
import { createRobotHandlers } from './handle-robots.ts'
import { createRuleHandlers } from './handle-rules.ts'
import { createSessionHandlers, createSessionOpener, type SessionOpener } from './handle-sessions.ts'
import { createTokenHandlers } from './handle-tokens.ts'
import { createPasswordHandler, createUserHandlers } from './handle-users.ts'
import type { AccessPart, SignInPart } from './mode.ts'
import { createRobotReach } from './robot-reach.ts'
import type { Sessions } from './sessions.ts'

/** Those that the registry is configured for. */
export type Handlers = Partial<Record<RouteName, Handler<never>>>

export function createHandlers(options: ApiOptions, sessions: Sessions | undefined): Handlers {
  const { signIn, own, publicUrl } = options
  const always: HandlersFor<'nothing'> = createOwnHandlers(options)
  if (signIn === undefined || sessions === undefined) return always
  const open = createSessionOpener(sessions, publicUrl)
  const accounts: HandlersFor<'accounts'> = {
    ...createSessionHandlers(signIn, open, publicUrl),
    ...createAuditHandlers(signIn),
  }
  return { ...always, ...accounts, ...(own && createAccessHandlers(signIn, own, open)) }
}

function createAccessHandlers(
  signIn: SignInPart,
  own: AccessPart,
  open: SessionOpener,
): HandlersFor<'access'> {
  const parts = { ...signIn, ...own }
  return {
    ...createUserHandlers(parts),
    ...createPasswordHandler(parts, open),
    ...createGroupHandlers(parts),
    ...createRobotHandlers({ ...parts, robotReach: createRobotReach(parts) }),
    ...createTokenHandlers(parts),
    ...createRuleHandlers(parts),
    ...createExplainHandlers(parts),
  }
}
