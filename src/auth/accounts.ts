/** Accounts by their id, as they are now: what was given out before is looked at again with it. */
import { type Waiting, whenKnown } from '../lib/waiting.ts'
import type { Account, IdentitySource } from './identity.ts'
import type { Principal } from './principal.ts'
import type { IsTaken } from './taken-names.ts'
import type { Completed } from './with-membership.ts'

export type Accounts = {
  /**
   * Undefined: gone, or disabled. At once where it is known in memory.
   * @param secretId the row of `secrets` that it signed in with; revoked or expired: undefined
   * @throws RegistryError UNAVAILABLE
   */
  find(id: string, secretId: number | undefined): Waiting<Account | undefined>
  /**
   * Somebody of whom nothing is known but what vouched for them, as they are now; undefined: what vouched for them is
   * not asked any more.
   */
  vouched(principal: Principal): Waiting<Principal | undefined>
  /** Whether the database knows all there is of it, so that nothing of it can change without the access version. */
  isOfDatabase(id: string): boolean
}

/** What an id begins with → who knows it. */
const SOURCE_OF: Readonly<Record<string, IdentitySource['name']>> = {
  user: 'users',
  robot: 'secrets',
  htpasswd: 'htpasswd',
  ldap: 'ldap',
  workload: 'workloads',
  certificate: 'certificates',
}

const BEHIND_USERS: ReadonlySet<IdentitySource['name']> = new Set(['htpasswd', 'ldap'])

export function createAccounts({
  sources,
  findBySecret,
  completed,
  isTaken,
}: {
  sources: readonly IdentitySource[]
  /** The holder of a secret, with the limits of that one; undefined: it counts no more. */
  findBySecret: (secretId: number) => Waiting<Account | undefined>
  completed: Completed
  /** Absent: there are no users of the database. */
  isTaken?: IsTaken | undefined
}): Accounts {
  const byName = new Map(sources.map((source) => [source.name, source]))
  const sourceOf = (id: string): IdentitySource | undefined => {
    const name = SOURCE_OF[id.slice(0, id.indexOf(':'))]
    return name === undefined ? undefined : byName.get(name)
  }
  /** The users of the database are asked first; whom they know, no other source speaks for. */
  function findByName(id: string): Waiting<Account | undefined> {
    const source = sourceOf(id)
    if (source === undefined || isTaken === undefined || !BEHIND_USERS.has(source.name))
      return source?.find(id)
    return whenKnown(isTaken(id.slice(id.indexOf(':') + 1)), (is) => (is ? undefined : source.find(id)))
  }
  return {
    find(id, secretId) {
      if (secretId === undefined) return findByName(id)
      return whenKnown(findBySecret(secretId), (account) => ofHolder(account, id))
    },
    vouched(principal) {
      if (sourceOf(principal.id) === undefined) return undefined
      return whenKnown(completed({ principal }), (account) => account.principal)
    },
    isOfDatabase: (id) => id.startsWith('user:') || id.startsWith('robot:'),
  }
}

function ofHolder(account: Account | undefined, id: string): Account | undefined {
  return account?.principal.id === id ? account : undefined
}
