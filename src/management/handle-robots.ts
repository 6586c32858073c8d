/** Robots and their secrets, for those in whose hands they are; to others they are not there. */
import { whyNoRobotName } from '../auth/names.ts'
import { createSecret } from '../auth/secrets.ts'
import type { Scope } from '../auth/principal.ts'
import {
  changeRobot,
  createRobot,
  findRobotByName,
  listRobots,
  removeRobot,
  type RobotChange,
  type RobotRow,
} from '../metadata/access/robots.ts'
import { addSecret, findSecretById, type ListedSecret, revokeSecret } from '../metadata/access/secrets.ts'
import type { Actor } from '../metadata/actor.ts'
import type { robotRoutes } from './contract-secrets.ts'
import { createReach, type HandlersOf, type Reach } from './exchange.ts'
import type { SignInPart } from './mode.ts'
import { pageOf, timeOf, timeOrNullOf } from './pages.ts'
import { invalidField, notFound, Problem } from './problem.ts'
import type { RobotReach } from './robot-reach.ts'
import { liveSecretsOf } from './sessions.ts'

type Parts = Pick<SignInPart, 'db' | 'access' | 'now'> & { robotReach: RobotReach }

export function createRobotHandlers({
  db,
  access,
  now,
  robotReach,
}: Parts): HandlersOf<keyof typeof robotRoutes> {
  async function existing(name: string, reach: Reach): Promise<RobotRow> {
    const robot = await findRobotByName(db, name)
    if (robot === undefined || !(await robotReach.isInHand(reach, robot))) throw notFound(`robot ${name}`)
    return robot
  }
  async function giveSecret(robot: RobotRow, expiresAt: number | undefined, actor: Actor) {
    const { text, hash, hint } = createSecret('robot')
    const row = {
      kind: 'robot' as const,
      hash,
      hint,
      holder: `robot:${robot.id}`,
      holderName: robot.name,
      ...(expiresAt !== undefined && { expiresAt }),
    }
    const id = await addSecret(db, row, actor)
    return { ...newSecret(id, hint, expiresAt, actor), secret: text }
  }

  return {
    async listRobots({ query, reach }) {
      const { rows, next } = await pageOf({
        asked: query,
        read: (after, limit) => listRobots(db, after, limit),
        keyOf: ({ name }) => name,
        isShown: (robot) => robotReach.isInHand(reach, robot),
      })
      return { items: rows.map(shown), next }
    },
    async createRobot({ body, caller, actor, detail }) {
      const { name, description, scopes } = body
      const wrong = whyNoRobotName(name)
      if (wrong !== undefined) throw invalidField('/name', `the name ${wrong}`)
      const expiresAt = futureOf(body.expiresAt, now()) ?? undefined
      detail['scopes'] = told(scopes)
      const reach = createReach(await access.current(), caller.principal)
      // Rules may name it already; whoever is not to have what they give is told no more than of a name in use.
      const isFree = await robotReach.isInHand(reach, { name, scopes })
      const made = isFree ? await createRobot(db, { name, description, scopes, expiresAt }, actor) : undefined
      if (made?.kind !== 'created')
        throw new Problem('CONFLICT', `the name ${name} cannot be had: choose another`)
      const robot = await findRobotByName(db, name)
      if (robot === undefined) throw new Problem('CONFLICT', `the robot ${name} was removed meanwhile`)
      return { robot: shown(robot), secret: await giveSecret(robot, undefined, actor) }
    },
    getRobot: async ({ params: { name }, reach }) => shown(await existing(name, reach)),
    async changeRobot({ params: { name }, body, reach, actor, detail }) {
      const robot = await existing(name, reach)
      const { description, scopes, disabled } = body
      const expiresAt = futureOf(body.expiresAt, now())
      if (scopes !== undefined && !(await reach.coversAll(scopes.map(({ repositories }) => repositories))))
        throw new Problem('DENIED', 'only who has admin on all that the scopes name may give them')
      const change: RobotChange = {
        ...(description !== undefined && { description }),
        ...(scopes !== undefined && { scopes }),
        ...(expiresAt !== undefined && { expiresAt }),
        ...(disabled !== undefined && { isDisabled: disabled }),
      }
      if (scopes !== undefined) detail['scopes'] = told(scopes)
      if (expiresAt !== undefined) detail['expiresAt'] = timeOrNullOf(expiresAt)
      if (disabled !== undefined) detail['disabled'] = disabled
      if (!(await changeRobot(db, robot.id, change, actor))) throw notFound(`robot ${name}`)
      return shown(await existing(name, reach))
    },
    async deleteRobot({ params: { name }, reach, actor }) {
      const robot = await existing(name, reach)
      if (!(await removeRobot(db, robot, actor))) throw notFound(`robot ${name}`)
    },
    async listRobotSecrets({ params: { name }, reach }) {
      const { id } = await existing(name, reach)
      return { items: (await liveSecretsOf(db, `robot:${id}`, 'robot', now())).map(secretOf) }
    },
    async addRobotSecret({ params: { name }, body, reach, actor, detail }) {
      const robot = await existing(name, reach)
      const live = await liveSecretsOf(db, `robot:${robot.id}`, 'robot', now())
      if (live.length >= MOST_SECRETS)
        throw new Problem('CONFLICT', `a robot has at most ${MOST_SECRETS} secrets: revoke one first`)
      const made = await giveSecret(robot, futureOf(body.expiresAt, now()) ?? undefined, actor)
      detail['added'] = made.hint
      return made
    },
    async revokeRobotSecret({ params: { name, id }, reach, actor, detail }) {
      const robot = await existing(name, reach)
      const row = await findSecretById(db, id)
      const isIts = row?.kind === 'robot' && row.holder === `robot:${robot.id}`
      if (!isIts || !(await revokeSecret(db, row, actor))) throw notFound(`secret ${id} of the robot ${name}`)
      detail['revoked'] = row.hint
    },
  }
}

/** More than a rotation ever needs. */
const MOST_SECRETS = 20

/**
 * Undefined: not said. Null: never.
 * @throws Problem INVALID: it is over
 */
export function futureOf(time: string | null | undefined, now: number): number | null | undefined {
  if (time === undefined || time === null) return time
  const at = Date.parse(time)
  if (at > now) return at
  throw invalidField('/expiresAt', 'this is in the past')
}

/** A secret as lists show it, just made. */
export function newSecret(
  id: number,
  hint: string,
  expiresAt: number | undefined,
  { now, principalName }: Actor,
) {
  return {
    id,
    hint,
    createdAt: timeOf(now),
    createdBy: principalName,
    expiresAt: timeOrNullOf(expiresAt),
    lastUsedAt: null,
    lastUsedFrom: null,
  }
}

export function secretOf(row: ListedSecret) {
  return {
    id: row.id,
    hint: row.hint,
    createdAt: timeOf(row.createdAt),
    createdBy: row.createdBy,
    expiresAt: timeOrNullOf(row.expiresAt),
    lastUsedAt: timeOrNullOf(row.lastUsedAt),
    lastUsedFrom: row.lastUsedFrom ?? null,
  }
}

/** As the record keeps them. */
export function told(scopes: readonly { repositories: string; actions: readonly string[] }[]): string {
  return scopes
    .map(({ repositories, actions }) => `${repositories}:${actions.join(',')}`)
    .join(' ')
    .slice(0, 2000)
}

function shown(robot: RobotRow) {
  return {
    name: robot.name,
    description: robot.description,
    scopes: robot.scopes.map(({ repositories, actions }) => ({ repositories, actions }) as Scope as never),
    disabledAt: timeOrNullOf(robot.disabledAt),
    expiresAt: timeOrNullOf(robot.expiresAt),
    createdAt: timeOf(robot.createdAt),
    createdBy: robot.createdBy,
  }
}
