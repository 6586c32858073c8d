/** Berth's own users as a place where names are known. */
import { findUserById, findUserByName, recallUserById, type UserRow } from '../metadata/access/users.ts'
import type { UseRecorder } from '../metadata/access/uses.ts'
import type { Db } from '../metadata/database.ts'
import type { Account, IdentitySource } from './identity.ts'
import type { Membership } from './membership.ts'
import type { PasswordHasher } from './passwords/hasher.ts'

type UsersSourceParts = {
  db: Pick<Db, 'cached' | 'recall'>
  hasher: Pick<PasswordHasher, 'verify' | 'verifyNobody'>
  membership: Membership
  uses: Pick<UseRecorder, 'user'>
}

const ID = /^user:([1-9]\d{0,14})$/

export function createUsersSource({ db, hasher, membership, uses }: UsersSourceParts): IdentitySource {
  const accounts = new WeakMap<UserRow, { groups: readonly string[]; isNamed: boolean; account: Account }>()

  /** The same object as long as nothing has changed. */
  function accountWith(user: UserRow, groups: readonly string[]): Account {
    const isNamed = membership.isAdministrator(user.name, groups)
    const known = accounts.get(user)
    if (known?.groups === groups && known.isNamed === isNamed) return known.account
    const account: Account = {
      principal: {
        id: `user:${user.id}`,
        name: user.name,
        kind: 'user',
        groups,
        claims: [],
        isAdmin: user.isAdmin || isNamed,
        grants: [],
      },
      stamp: user.stamp,
    }
    accounts.set(user, { groups, isNamed, account })
    return account
  }

  function accountOf(user: UserRow | undefined): Account | undefined | Promise<Account> {
    if (user === undefined || user.disabledAt !== undefined) return undefined
    const groups = membership.groupsOf(`user:${user.name}`)
    if ('then' in groups) return groups.then((names) => accountWith(user, names))
    return accountWith(user, groups)
  }

  return {
    name: 'users',
    async verify({ name, password }) {
      const user = await findUserByName(db, name)
      if (user === undefined) return 'unknown'
      if (user.password === undefined || user.disabledAt !== undefined) {
        // Takes as long as a wrong password, so that nobody learns who is disabled.
        await hasher.verifyNobody(password, name)
        return 'wrong'
      }
      if (!(await hasher.verify(password, user.password))) return 'wrong'
      // It took a while: what was disabled, removed or changed meanwhile is not good any more.
      const now = await findUserById(db, user.id)
      if (now?.stamp !== user.stamp || now.name !== user.name) return 'wrong'
      const account = await accountOf(now)
      if (account === undefined) return 'wrong'
      uses.user(user.id)
      return account
    },
    find(id) {
      const [, digits] = ID.exec(id) ?? []
      if (digits === undefined) return undefined
      const user = recallUserById(db, Number(digits))
      return user === undefined ? findUserById(db, Number(digits)).then(accountOf) : accountOf(user)
    },
  }
}
