/** Who asks; and the registry about itself. */
import { type RepositoryName } from '../oci/reference.ts'
import type { AccessNow } from '../auth/access.ts'
import { RULE_ACTIONS, type RuleAction } from '../auth/permission.ts'
import type { Principal } from '../auth/principal.ts'
import type { ApiOptions } from './options.ts'
import type { HandlersFor } from './exchange.ts'
import type { Mode } from './mode.ts'
import { openapi } from './openapi.ts'

export function createOwnHandlers({ mode, version, prefix, signIn }: ApiOptions): HandlersFor<'nothing'> {
  let document: Record<string, unknown> | undefined
  return {
    async getMe({ caller: { principal }, query: { repository } }) {
      const now = await signIn?.access.current()
      return describe(
        principal,
        repository === undefined ? null : actionsIn(mode, now, principal, repository),
      )
    },
    getSystem: ({ caller }) => ({
      mode,
      // What runs here tells strangers which holes to try.
      version: mode === 'open' || caller.account !== undefined ? version : null,
    }),
    getOpenapi: () => (document ??= openapi({ version, prefix })),
  }
}

export function describe(principal: Principal, can: RuleAction[] | null) {
  const { id, name, kind, groups, isAdmin } = principal
  return { id, name, kind, groups: [...groups], isAdministrator: isAdmin, can }
}

function actionsIn(
  mode: Mode,
  now: AccessNow | undefined,
  principal: Principal,
  repository: RepositoryName,
): RuleAction[] {
  if (mode === 'open') return RULE_ACTIONS.filter((action) => action !== 'admin')
  if (now === undefined) return []
  const may: Readonly<Record<RuleAction, () => boolean>> = {
    pull: () => now.may(principal, 'pull', repository),
    push: () => now.mayMoveTags(principal, repository),
    create: () => now.may(principal, 'push', repository),
    delete: () => now.may(principal, 'delete', repository),
    admin: () => now.mayAdminister(principal, repository),
  }
  return RULE_ACTIONS.filter((action) => may[action]())
}
