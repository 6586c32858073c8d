/** Whether somebody may do something, and why. */
import type { AccessNow, Explanation } from '../auth/access.ts'
import type { Membership } from '../auth/membership.ts'
import { anonymousPrincipal, type Principal } from '../auth/principal.ts'
import { parseWho } from '../auth/rules/who.ts'
import { findRobotByName } from '../metadata/access/robots.ts'
import { findUserByName } from '../metadata/access/users.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { explainRoutes } from './contract-access.ts'
import type { HandlersOf } from './exchange.ts'
import { shownSource } from './handle-rules.ts'
import type { SignInPart } from './mode.ts'
import { invalidField, Problem } from './problem.ts'

type Parts = Pick<SignInPart, 'db' | 'access' | 'accounts'> & { membership: Pick<Membership, 'groupsOf'> }

export function createExplainHandlers(parts: Parts): HandlersOf<keyof typeof explainRoutes> {
  return {
    async explainAccess({ query: { repository, action, who }, caller: { principal } }) {
      const now = await parts.access.current()
      const isOwn = who === undefined || who === `${principal.kind}:${principal.name}`
      if (!isOwn && !now.mayAdminister(principal, repository))
        throw new Problem('DENIED', `only who has admin on ${repository} may ask about others there`)
      const asked = isOwn ? principal : await principalOf(parts, who)
      const told = now.explain(asked, action, repository)
      const { allowed, pattern, source, why } =
        isOwn && isNothingThere(now, principal, repository) ? untold(repository) : told
      return {
        who: who ?? asked.name,
        action,
        repository,
        allowed,
        pattern: pattern ?? null,
        source: shownSource(source),
        why,
      }
    },
  }
}

function isNothingThere(now: AccessNow, principal: Principal, repository: RepositoryName): boolean {
  return !(['pull', 'push', 'delete'] as const).some((action) =>
    now.couldWithAnotherToken(principal, action, repository),
  )
}

/** Patterns hold names, too: whoever may do nothing in a repository is not told whether a rule has its name. */
function untold(repository: RepositoryName): Explanation {
  const why = `nothing allows you anything in ${repository}: who has admin there can see why`
  return { allowed: false, pattern: undefined, source: 'rules', why }
}

/**
 * As whoever it is would be if they signed in. A name that nobody has is taken as it is: whether it is there is not
 * told, and rules are by name.
 */
async function principalOf({ db, accounts, membership }: Parts, text: string): Promise<Principal> {
  const who = parseWho(text)
  if ('problem' in who) throw invalidField('?who', who.problem)
  if (who.kind === 'anonymous') return anonymousPrincipal
  if (who.kind !== 'user' && who.kind !== 'robot')
    throw invalidField('?who', 'ask about anonymous, user:NAME or robot:NAME')
  const { kind, name } = who
  for (const id of await idsOf(db, kind, name)) {
    const account = await accounts.find(id, undefined)
    if (account !== undefined) return account.principal
  }
  const groups = await membership.groupsOf(`${kind}:${name}`)
  return { id: 'unknown', name, kind, groups, claims: [], isAdmin: false, grants: [] }
}

/** In the order that sources are asked in. */
async function idsOf(db: SignInPart['db'], kind: 'user' | 'robot', name: string): Promise<string[]> {
  const row = kind === 'robot' ? await findRobotByName(db, name) : await findUserByName(db, name)
  if (row !== undefined) return [`${kind}:${row.id}`]
  return kind === 'user' ? [`htpasswd:${name}`, `ldap:${name}`] : []
}
