/** Sources of accounts over a database in memory, for tests. Passwords are their own hashes: what hashes is tested elsewhere. */
import { openMetadata } from '../metadata/open-metadata.ts'
import { createGroup, addMember } from '../metadata/access/groups.ts'
import { createRobot, type NewRobot } from '../metadata/access/robots.ts'
import { addSecret, type NewSecret } from '../metadata/access/secrets.ts'
import { createUser } from '../metadata/access/users.ts'
import { actorAt, NOW } from '../metadata/metadata-fixtures.ts'
import type { Account } from './identity.ts'
import { createMembership } from './membership.ts'
import type { FileAccess } from './rules/rule.ts'
import { createSecretsSource } from './secrets-source.ts'
import { createSecret } from './secrets.ts'
import { createUsersSource } from './users-source.ts'

export const ACTOR = actorAt()

/** What is used, in order, so that a test sees who was hashed for. */
export function createAccountsFixture() {
  const { db } = openMetadata({ version: 'test' })
  let now = NOW
  let stamps = 0
  const file: { access: Pick<FileAccess, 'groups' | 'administrators'> | undefined } = { access: undefined }
  const hashed: string[] = []
  const used: string[] = []
  /** Done while a password is looked at. */
  const meanwhile: { work: () => Promise<unknown> } = { work: async () => undefined }
  const hasher = {
    async verify(password: string, hash: string) {
      hashed.push('verify')
      await meanwhile.work()
      return hash === `hash of ${password}`
    },
    async verifyNobody() {
      hashed.push('nobody')
    },
  }
  const membership = createMembership({ db, fileAccess: () => file.access })
  const uses = {
    user: (id: number) => void used.push(`user:${id}`),
    secret: (id: number, from: string) => void used.push(`secret:${id} ${from}`),
  }
  const users = createUsersSource({ db, hasher, membership, uses })
  /** Accounts of other sources, by id. */
  const elsewhere = new Map<string, Account>()
  const findAccount = (id: string) => (id.startsWith('user:') ? users.find(id) : elsewhere.get(id))
  const secrets = createSecretsSource({ db, findAccount, membership, uses, now: () => now })
  return {
    db,
    users,
    secrets,
    membership,
    elsewhere,
    file,
    hashed,
    used,
    meanwhile,
    setNow(time: number): void {
      now = time
    },
    async addUser(name: string, password: string | undefined, isAdmin = false): Promise<number> {
      const hash = password === undefined ? undefined : `hash of ${password}`
      const made = await createUser(db, { name, password: hash, stamp: `s${++stamps}`, isAdmin }, ACTOR)
      if (!('id' in made)) throw new Error(`${name} is taken`)
      return made.id
    },
    async addRobot(name: string, more: Partial<NewRobot> = {}): Promise<number> {
      const made = await createRobot(
        db,
        { name, description: '', scopes: [], expiresAt: undefined, ...more },
        ACTOR,
      )
      if (!('id' in made)) throw new Error(`${name} is taken`)
      return made.id
    },
    /** @returns its text */
    async give(
      kind: 'personal' | 'robot' | 'refresh' | 'session',
      holder: string,
      holderName: string,
      more: Partial<NewSecret> = {},
    ): Promise<{ id: number; text: string }> {
      const { text, hash, hint } = createSecret(kind)
      return { id: await addSecret(db, { kind, hash, hint, holder, holderName, ...more }, ACTOR), text }
    },
    async join(group: string, ...members: readonly `user:${string}`[]): Promise<number> {
      const id = (await createGroup(db, { name: group, description: '' }, ACTOR)) ?? 0
      for (const member of members) await addMember(db, id, member, ACTOR)
      return id
    },
    signIn: (name: string, password: string) => users.verify({ name, password, address: '192.0.2.1' }),
    withSecret: (name: string, password: string) => secrets.verify({ name, password, address: '192.0.2.1' }),
    close: () => db.close(),
  }
}

export type AccountsFixture = ReturnType<typeof createAccountsFixture>

export async function withAccounts(work: (fixture: AccountsFixture) => Promise<void>): Promise<void> {
  const fixture = createAccountsFixture()
  try {
    await work(fixture)
  } finally {
    await fixture.close()
  }
}
