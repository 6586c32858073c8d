/** Berth's own users, and one's own password. */
import { randomBytes } from 'node:crypto'
import { whyNoPassword, whyNoUserName } from '../auth/names.ts'
import type { Step } from '../metadata/database.ts'
import {
  changeUser,
  KEEPS_AN_ADMINISTRATOR,
  removeUser,
  type UserChange,
} from '../metadata/access/user-changes.ts'
import {
  createUser,
  findListedUser,
  findUserById,
  findUserByName,
  type ListedUser,
  listUsers,
  type UserRow,
} from '../metadata/access/users.ts'
import type { Actor } from '../metadata/actor.ts'
import type { userRoutes } from './contract-accounts.ts'
import type { HandlersOf, SignedIn } from './exchange.ts'
import type { SessionOpener } from './handle-sessions.ts'
import type { AccessPart, SignInPart } from './mode.ts'
import { pageOf, timeOf, timeOrNullOf } from './pages.ts'
import { invalidField, notFound, Problem } from './problem.ts'

type Parts = Pick<SignInPart, 'db' | 'identities' | 'accounts'> & Pick<AccessPart, 'hasher' | 'membership'>

export function createUserHandlers({ db, hasher, membership }: Parts): HandlersOf<keyof typeof userRoutes> {
  const shown = async (user: Omit<ListedUser, 'id'>) => ({
    name: user.name,
    isAdministrator: user.isAdmin,
    hasPassword: user.hasPassword,
    disabledAt: timeOrNullOf(user.disabledAt),
    createdAt: timeOf(user.createdAt),
    createdBy: user.createdBy,
    lastUsedAt: timeOrNullOf(user.lastUsedAt),
    groups: [...(await membership.groupsOf(`user:${user.name}`))],
  })
  async function read(name: string) {
    const user = await findListedUser(db, name)
    if (user === undefined) throw notFound(`user ${name}`)
    return shown(user)
  }
  async function existing(name: string): Promise<UserRow> {
    const user = await findUserByName(db, name)
    if (user === undefined) throw notFound(`user ${name}`)
    return user
  }
  async function change(
    user: UserRow,
    what: UserChange,
    actor: Actor,
    conditions: readonly Step[] = [],
  ): Promise<void> {
    if (!(await changeUser(db, user.id, what, actor, conditions))) throw await whyNot(user)
  }
  async function whyNot({ id, name }: UserRow): Promise<Problem> {
    if ((await findUserById(db, id)) === undefined) return notFound(`user ${name}`)
    return new Problem('CONFLICT', `${name} is the last administrator: make another one first`)
  }

  return {
    async listUsers({ query }) {
      const { rows, next } = await pageOf({
        asked: query,
        read: (after, limit) => listUsers(db, after, limit),
        keyOf: ({ name }) => name,
      })
      return { items: await Promise.all(rows.map(shown)), next }
    },
    async createUser({ body: { name, password, isAdministrator }, actor, detail }) {
      const wrong = whyNoUserName(name)
      if (wrong !== undefined) throw invalidField('/name', `the name ${wrong}`)
      if (password !== undefined) checkPassword(password, '/password')
      detail['isAdministrator'] = isAdministrator
      const hash = password === undefined ? undefined : await hasher.hash(password)
      const user = { name, password: hash, stamp: newStamp(), isAdmin: isAdministrator }
      const made = await createUser(db, user, actor)
      if (made.kind === 'taken')
        throw new Problem('CONFLICT', `the name ${name} is taken by a ${made.by}: choose another`)
      return read(name)
    },
    getUser: ({ params: { name } }) => read(name),
    async changeUser({ params: { name }, body: { password, isAdministrator, disabled }, actor, detail }) {
      const user = await existing(name)
      if (password !== undefined) checkPassword(password, '/password')
      if (password !== undefined) detail['password'] = 'set'
      if (isAdministrator !== undefined) detail['isAdministrator'] = isAdministrator
      if (disabled !== undefined) detail['disabled'] = disabled
      // What may be refused first, so that a refusal changes nothing.
      if (isAdministrator === false)
        await change(user, { set: 'admin', isAdmin: false }, actor, [KEEPS_AN_ADMINISTRATOR])
      if (disabled === true)
        await change(user, { set: 'disabled', stamp: newStamp() }, actor, [KEEPS_AN_ADMINISTRATOR])
      if (password !== undefined)
        await change(
          user,
          { set: 'password', password: await hasher.hash(password), stamp: newStamp() },
          actor,
        )
      if (disabled === false) await change(user, { set: 'enabled' }, actor)
      if (isAdministrator === true) await change(user, { set: 'admin', isAdmin: true }, actor)
      return read(name)
    },
    async deleteUser({ params: { name }, actor }) {
      const user = await existing(name)
      if (!(await removeUser(db, user, actor, [KEEPS_AN_ADMINISTRATOR]))) throw await whyNot(user)
    },
  }
}

/** Changing one's own password ends all sessions; who did it in one gets another. */
export function createPasswordHandler(
  { db, identities, accounts, hasher }: Parts,
  open: SessionOpener,
): HandlersOf<'setPassword'> {
  const underWay = new Set<string>()

  async function change(
    id: number,
    asked: { current: string; new: string },
    caller: SignedIn,
    actor: Actor,
  ): Promise<void> {
    const { name } = caller.principal
    // Guessing here is guessing as anywhere.
    const proven = await identities.signIn({ name, password: asked.current }, caller)
    if (proven.principal.id !== caller.principal.id || proven.secretId !== undefined)
      throw invalidField('/current', 'this is not your password')
    const password = await hasher.hash(asked.new)
    const set = { set: 'password', password, stamp: newStamp(), wasStamp: proven.stamp } as const
    if (!(await changeUser(db, id, set, actor)))
      throw new Problem('CONFLICT', `the account ${name} was changed meanwhile: sign in again`)
  }

  return {
    async setPassword({ body, caller, actor, headers, request }) {
      const { principal } = caller
      const [, digits] = /^user:(\d+)$/.exec(principal.id) ?? []
      if (digits === undefined)
        throw new Problem(
          'CONFLICT',
          'your account is kept elsewhere (a file, a directory): change the password there',
        )
      checkPassword(body.new, '/new')
      // Only one of several would be taken, and making hashes of all would keep others from signing in.
      if (underWay.has(digits)) throw new Problem('CONFLICT', 'your password is being changed: try again')
      underWay.add(digits)
      try {
        await change(Number(digits), body, caller, actor)
      } finally {
        underWay.delete(digits)
      }
      const account = await accounts.find(principal.id, undefined)
      if (caller.via === 'session' && account !== undefined) await open(account, actor, request, headers)
    },
  }
}

const newStamp = (): string => randomBytes(12).toString('base64url')

function checkPassword(password: string, pointer: string): void {
  const wrong = whyNoPassword(password)
  if (wrong !== undefined) throw invalidField(pointer, `the password ${wrong}`)
}
