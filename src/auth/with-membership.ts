/** Accounts of any source, with what is said of them here: groups of the database and the file, and who is an administrator. */
import type { Waiting } from '../lib/waiting.ts'
import type { Account, IdentitySource } from './identity.ts'
import type { Membership } from './membership.ts'
import type { Principal } from './principal.ts'

export type Completed = <A extends Pick<Account, 'principal'>>(account: A) => Waiting<A>

/** The same object for the same account as long as nothing has changed. */
export function createCompleted(membership: Membership): Completed {
  type Known = { database: readonly string[]; isAdmin: boolean; account: unknown }
  const known = new WeakMap<object, Known>()

  function merge<A extends Pick<Account, 'principal'>>(account: A, database: readonly string[]): A {
    const { principal } = account
    const groups = database.length === 0 ? principal.groups : [...new Set([...principal.groups, ...database])]
    const isAdmin =
      principal.isAdmin || (principal.kind === 'user' && membership.isAdministrator(principal.name, groups))
    const before = known.get(account)
    if (before?.database === database && before.isAdmin === isAdmin) return before.account as A
    const whole: Principal = { ...principal, groups, isAdmin }
    const made = { ...account, principal: whole }
    known.set(account, { database, isAdmin, account: made })
    return made
  }

  return (account) => {
    const { kind, name } = account.principal
    if (kind !== 'user') return account
    const groups = membership.groupsOf(`user:${name}`)
    return 'then' in groups ? groups.then((names) => merge(account, names)) : merge(account, groups)
  }
}

export function withMembership(source: IdentitySource, completed: Completed): IdentitySource {
  return {
    name: source.name,
    async verify(attempt) {
      const found = await source.verify(attempt)
      return typeof found === 'string' ? found : completed(found)
    },
    find(id) {
      const found = source.find(id)
      if (found instanceof Promise) return found.then((account) => account && completed(account))
      return found && completed(found)
    },
  }
}
