/** What users, robots and groups of the database may be called: names that no shell and no URL eats. */
import type { Member } from '../metadata/access/groups.ts'
import { passwordProblem } from './passwords/hasher.ts'

const USER = /^[a-z0-9][a-z0-9._@-]{0,127}$/
const ROBOT = /^[a-z0-9][a-z0-9_-]{0,127}$/
const GROUP = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,127}$/
/** As other sources call theirs: whatever a header can carry, but for what ends a name there. */
// oxlint-disable-next-line no-control-regex
const ELSEWHERE = /^[^\u0000-\u001f\u007f:]{1,255}$/u

/** What is wrong with a name and what to do, as "the name …" would go on; undefined: nothing. */
export function whyNoUserName(name: string): string | undefined {
  if (USER.test(name)) return undefined
  return 'of a user has 1 to 128 lower-case letters, digits, ".", "_", "@" or "-", and begins with a letter or a digit'
}

export function whyNoRobotName(name: string): string | undefined {
  if (ROBOT.test(name)) return undefined
  return 'of a robot has 1 to 128 lower-case letters, digits, "_" or "-", and begins with a letter or a digit'
}

/** Any case: directories and files call theirs so. */
export function whyNoGroupName(name: string): string | undefined {
  if (GROUP.test(name)) return undefined
  return 'of a group has 1 to 128 letters, digits, ".", "_", "@" or "-", and begins with a letter or a digit'
}

/** `user:alice`, wherever alice is known, or `robot:ci`; a bare name is a user's. Undefined: it is neither. */
export function parseMember(text: string): Member | undefined {
  const [, kind = 'user', name = ''] = /^(?:(user|robot):)?(.*)$/s.exec(text) ?? []
  if (kind === 'robot') return whyNoRobotName(name) === undefined ? `robot:${name}` : undefined
  return ELSEWHERE.test(name) ? `user:${name}` : undefined
}

const MIN_PASSWORD = 8

/** What is wrong with a password that somebody chose, as "the password …" would go on; undefined: nothing. */
export function whyNoPassword(password: string): string | undefined {
  if (Array.from(password).length < MIN_PASSWORD) return `must have at least ${MIN_PASSWORD} characters`
  const problem = passwordProblem(password)
  if (problem !== undefined) return problem
  // oxlint-disable-next-line no-control-regex
  if (/[\u0000-\u001f\u007f]/.test(password)) return 'cannot have line ends or other control characters'
  return undefined
}
