/** What somebody may in a repository, as bits: rules are asked with each request. */
import { type RepositoryAction, RULE_ACTIONS, type RuleAction } from '../permission.ts'

export type Rights = number

export const NOTHING: Rights = 0
export const PULL: Rights = 1
/** Push, but not move a tag that is there. */
export const CREATE: Rights = 2
export const PUSH: Rights = 4
export const DELETE: Rights = 8
export const ADMIN: Rights = 16
export const ALL: Rights = 31

/** What an action gives: `push` also to create, `admin` all. */
const GIVES: Readonly<Record<RuleAction, Rights>> = {
  pull: PULL,
  push: PUSH | CREATE,
  create: CREATE,
  delete: DELETE,
  admin: ALL,
}
/** What an action takes: a push as such needs no more than to create; whether a tag may move is asked beside it. */
const TAKES: Readonly<Record<RepositoryAction, Rights>> = { pull: PULL, push: CREATE, delete: DELETE }

const NEEDS: Readonly<Record<RuleAction, Rights>> = {
  pull: PULL,
  push: PUSH,
  create: CREATE,
  delete: DELETE,
  admin: ADMIN,
}

export function rightsOfActions(actions: Iterable<RuleAction>): Rights {
  let rights = NOTHING
  for (const action of actions) rights |= GIVES[action]
  return rights
}

/** Whether a request for this action is let in. */
export function allows(rights: Rights, action: RepositoryAction): boolean {
  return (rights & TAKES[action]) !== 0
}

/** Whether a rule's action is held in full: `push` with the moving of tags. */
export function holds(rights: Rights, action: RuleAction): boolean {
  return (rights & NEEDS[action]) !== 0
}

/** The fewest actions that give these rights. */
export function actionsOf(rights: Rights): RuleAction[] {
  if ((rights & ADMIN) !== 0) return ['admin']
  const held = RULE_ACTIONS.filter((action) => holds(rights, action))
  return held.includes('push') ? held.filter((action) => action !== 'create') : held
}
