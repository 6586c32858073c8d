/** Without rules: who signed in may do everything, nobody else anything, as with CNCF Distribution's `htpasswd`. */
import { type AccessVersion, findAccessVersion, recallAccessVersion } from '../metadata/access/version.ts'
import type { Db } from '../metadata/database.ts'
import type { Access, AccessNow, Explanation } from './access.ts'
import type { RepositoryAction } from './permission.ts'
import type { Principal } from './principal.ts'

const isSignedIn = ({ kind }: Principal): boolean => kind !== 'anonymous' && kind !== 'open'

function isInToken({ token }: Principal, action: RepositoryAction, repository: string): boolean {
  return token === undefined || token.repositories.get(repository)?.has(action) === true
}

function explain(principal: Principal): Explanation {
  const allowed = isSignedIn(principal)
  const why = allowed
    ? 'there are no rules: whoever signed in may do everything'
    : 'there are no rules: nobody may do anything without signing in'
  return { allowed, pattern: undefined, source: 'default', why }
}

const RULE: AccessNow = {
  may: (principal, action, name) => isSignedIn(principal) && isInToken(principal, action, name),
  mayMoveTags: (principal, name) => isSignedIn(principal) && isInToken(principal, 'push', name),
  couldWithAnotherToken: isSignedIn,
  mayAdminister: () => false,
  explain,
}

/** The rule never changes; accounts and secrets do, and with them the object. */
export function createSignedInAccess(db: Pick<Db, 'cached' | 'recall'>): Access {
  let known: { version: number; now: AccessNow } | undefined
  const nowOf = ({ version }: AccessVersion): AccessNow => {
    if (known?.version !== version) known = { version, now: { ...RULE } }
    return known.now
  }
  return {
    current() {
      const version = recallAccessVersion(db)
      return version === undefined ? findAccessVersion(db).then(nowOf) : nowOf(version)
    },
  }
}
