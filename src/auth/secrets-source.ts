/**
 * Secrets as passwords: of robots, and personal tokens. The name beside it must be the holder's. Such a secret decides
 * alone: where it is not good, no other source is asked with it.
 */
import { findRobotById, recallRobotById, type RobotRow } from '../metadata/access/robots.ts'
import {
  findSecretByHash,
  findSecretById,
  isLive,
  recallSecretById,
  type SecretRow,
} from '../metadata/access/secrets.ts'
import type { UseRecorder } from '../metadata/access/uses.ts'
import type { Db } from '../metadata/database.ts'
import type { Account, IdentitySource } from './identity.ts'
import type { Membership } from './membership.ts'
import type { Scope } from './principal.ts'
import { hashSecret, parseSecret } from './secrets.ts'

type SecretsSourceParts = {
  db: Pick<Db, 'cached' | 'recall'>
  /**
   * The owner of a personal token as it is now, in whichever source; undefined: gone, or disabled.
   * @throws RegistryError UNAVAILABLE
   */
  findAccount: (id: string) => Account | undefined | Promise<Account | undefined>
  membership: Pick<Membership, 'groupsOf'>
  uses: Pick<UseRecorder, 'secret'>
  now: () => number
}

export type SecretsSource = IdentitySource & {
  /**
   * The holder of a secret as it is now, with the limits of that secret. For what was given out in exchange for it.
   * Undefined: revoked, expired, gone; or its holder is disabled or gone.
   * @throws RegistryError UNAVAILABLE
   */
  findBySecret(secretId: number): Account | undefined | Promise<Account | undefined>
}

type Found = Account | undefined | Promise<Account | undefined>

const ROBOT = /^robot:([1-9]\d{0,14})$/

export function createSecretsSource(parts: SecretsSourceParts): SecretsSource {
  const { db, uses, now } = parts
  const findRobot = createRobots(parts)

  function holderOf({ kind, holder }: SecretRow): Found {
    if (kind === 'robot') return findRobot(holder)
    return kind === 'personal' ? parts.findAccount(holder) : undefined
  }

  function accountOf(secret: SecretRow | undefined): Found {
    if (secret === undefined || !isLive(secret, now())) return undefined
    const holder = holderOf(secret)
    if (holder === undefined) return undefined
    if ('then' in holder) return holder.then((account) => withSecret(account, secret))
    return withSecret(holder, secret)
  }

  return {
    name: 'secrets',
    async verify({ name, password, address }) {
      const parsed = parseSecret(password)
      if (parsed === undefined) return 'unknown'
      if (!parsed.isWhole) return 'wrong'
      // Found by its hash: what the time of that tells is of no use to who does not have the secret.
      const secret = await findSecretByHash(db, hashSecret(password))
      if (secret?.kind !== parsed.kind || secret.holderName !== name) return 'wrong'
      const account = await accountOf(secret)
      if (account === undefined || account.principal.name !== name) return 'wrong'
      uses.secret(secret.id, address)
      return account
    },
    find: findRobot,
    findBySecret(secretId) {
      const secret = recallSecretById(db, secretId)
      return secret === undefined ? findSecretById(db, secretId).then(accountOf) : accountOf(secret)
    },
  }
}

/** The account that a secret opens: what it may is cut to the secret's scopes, and it ends with whichever ends first. */
function withSecret(account: Account | undefined, secret: SecretRow): Account | undefined {
  if (account === undefined) return undefined
  // A personal token that outlives the password is for the person it was made for all the same, not for who has the name.
  const { stamp = account.stamp } = secret
  if (stamp !== account.stamp && stamp !== account.person) return undefined
  const { scopes, expiresAt = Infinity } = secret
  const ends = Math.min(account.expiresAt ?? Infinity, expiresAt)
  const { principal } = account
  return {
    principal: scopes === undefined ? principal : { ...principal, ceiling: scopes as readonly Scope[] },
    stamp: account.stamp,
    ...(ends !== Infinity && { expiresAt: ends }),
    secretId: secret.id,
  }
}

/** Robots by `robot:3`. */
function createRobots({ db, membership, now }: SecretsSourceParts): (id: string) => Found {
  const accounts = new WeakMap<RobotRow, { groups: readonly string[]; account: Account }>()

  function accountWith(robot: RobotRow, groups: readonly string[]): Account {
    const known = accounts.get(robot)
    if (known?.groups === groups) return known.account
    const account: Account = {
      principal: {
        id: `robot:${robot.id}`,
        name: robot.name,
        kind: 'robot',
        groups,
        claims: [],
        isAdmin: false,
        grants: robot.scopes as readonly Scope[],
      },
      stamp: String(robot.createdAt),
      ...(robot.expiresAt !== undefined && { expiresAt: robot.expiresAt }),
    }
    accounts.set(robot, { groups, account })
    return account
  }

  function accountOf(robot: RobotRow | undefined): Found {
    if (robot === undefined || robot.disabledAt !== undefined) return undefined
    if (robot.expiresAt !== undefined && now() >= robot.expiresAt) return undefined
    const groups = membership.groupsOf(`robot:${robot.name}`)
    if ('then' in groups) return groups.then((names) => accountWith(robot, names))
    return accountWith(robot, groups)
  }

  return (id) => {
    const [, digits] = ROBOT.exec(id) ?? []
    if (digits === undefined) return undefined
    const robot = recallRobotById(db, Number(digits))
    return robot === undefined ? findRobotById(db, Number(digits)).then(accountOf) : accountOf(robot)
  }
}
