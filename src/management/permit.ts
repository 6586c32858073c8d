/** Whether a caller may use a route, by what its contract says, before anything is looked up. */
import type { ApiPermission, PermissionWord } from './contract-route.ts'
import { type Caller, isSignedIn, type Reach } from './exchange.ts'
import { notFound, Problem } from './problem.ts'

/**
 * What can be said before the request's body is read.
 * @throws Problem UNAUTHENTICATED, DENIED
 */
export function permitCaller(permission: ApiPermission<never>, caller: Caller): void {
  if (permission === 'anyone') return
  if (!isSignedIn(caller))
    throw new Problem(
      'UNAUTHENTICATED',
      'sign in first: with name and password, a personal token, or a session',
    )
  if (typeof permission === 'object') return
  const why = WHY_NOT[permission](caller)
  if (why !== undefined) throw new Problem('DENIED', why)
}

const REPOSITORIES_ONLY = 'this token is for repositories only, not for this'
const isAnybody = (): undefined => undefined

/** Why this caller, who has signed in, may not; undefined: may. */
const WHY_NOT: Readonly<Record<PermissionWord, (caller: Caller) => string | undefined>> = {
  anyone: isAnybody,
  self: ({ principal: { ceiling } }) => (ceiling === undefined ? undefined : REPOSITORIES_ONLY),
  delegate: isAnybody,
  person: ({ via, principal: { kind } }) =>
    kind === 'user' && via !== 'secret'
      ? undefined
      : 'this is for people: sign in with your password, not with a token or a secret',
  administrator({ principal }) {
    if (!principal.isAdmin) return 'this is for administrators of the registry'
    // What was given out for some repositories is not good for all of the registry.
    return principal.ceiling === undefined ? undefined : REPOSITORIES_ONLY
  },
}

/**
 * Of a route for those who administer patterns: after its input was read.
 * @throws Problem DENIED, NOT_FOUND
 */
export async function permitPatterns<Input>(
  permission: ApiPermission<Input>,
  input: Input,
  reach: Reach,
): Promise<void> {
  if (typeof permission === 'string') return
  const patterns = permission.administers(input)
  const lacking = await firstBeyond(reach, patterns)
  if (lacking === undefined && patterns.length > 0) return
  if (permission.otherwise === 'absent') throw notFound(`rule for ${lacking ?? '**'}`)
  throw new Problem('DENIED', `only who has admin on all of ${lacking ?? '**'} may do this`)
}

async function firstBeyond(reach: Reach, patterns: readonly string[]): Promise<string | undefined> {
  for (const pattern of patterns) if (!(await reach.covers(pattern))) return pattern
  return undefined
}
