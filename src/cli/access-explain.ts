/** `berth access explain`: may they, which rule decides, and why. */
import type { AccessNow, Explanation } from '../auth/access.ts'
import { createMembership } from '../auth/membership.ts'
import { RULE_ACTIONS, type RuleAction } from '../auth/permission.ts'
import { anonymousPrincipal, type Principal, type Scope } from '../auth/principal.ts'
import { createAccess } from '../auth/rules/create-access.ts'
import { parseWho } from '../auth/rules/who.ts'
import { createSignedInAccess } from '../auth/signed-in-access.ts'
import type { Config } from '../config/schema.ts'
import { silentLogger } from '../lib/logger.ts'
import { findRobotByName } from '../metadata/access/robots.ts'
import { findUserByName } from '../metadata/access/users.ts'
import type { Db } from '../metadata/database.ts'
import { findManifest } from '../metadata/manifests.ts'
import { accessInFile, isAccessOn, type Rules, withRules } from './access-data.ts'
import { CONFIG_OPTION, parseArguments } from './arguments.ts'
import type { Io } from './command.ts'
import { type Named, readNamed } from './named.ts'
import { refuse, refuseUse } from './refusal.ts'
import { fit } from './table.ts'

const DENIED = 3
const OPTIONS = {
  ...CONFIG_OPTION,
  group: { type: 'string', multiple: true },
  json: { type: 'boolean' },
} as const

type Asked = { kind: 'user' | 'robot' | 'anonymous'; name: string }
type Question = { who: Asked; action: RuleAction; named: Named; groups: readonly string[] }

export async function explainOf(args: readonly string[], io: Io): Promise<number> {
  const parsed = parseArguments('access explain', args, OPTIONS, 3, io)
  if (parsed === undefined) return 2
  const question = readQuestion(parsed.positionals, parsed.values.group ?? [])
  if (typeof question === 'string') return refuseUse(io, 'access explain', question)
  return withRules(io, parsed.values.config, async (rules) => {
    const answer = await answerOf(rules, question)
    if (typeof answer === 'string') return refuse(io, 'access explain', answer)
    io.stdout.write(parsed.values.json === true ? jsonOf(question, answer) : textOf(question, answer))
    return answer.explanation.allowed ? 0 : DENIED
  })
}

/** @returns a string says what is wrong */
function readQuestion([who, action, what]: readonly string[], groups: readonly string[]): Question | string {
  if (who === undefined || action === undefined || what === undefined)
    return 'say who, what they want to do, and where: berth access explain alice push team/app'
  const asked = readWho(who)
  if (typeof asked === 'string') return asked
  const known = RULE_ACTIONS.find((one) => one === action)
  if (known === undefined)
    return `${JSON.stringify(action)} is no action: there are ${RULE_ACTIONS.join(', ')}`
  const named = readNamed(what)
  return typeof named === 'string' ? named : { who: asked, action: known, named, groups }
}

function readWho(text: string): Asked | string {
  if (text === 'anonymous') return { kind: 'anonymous', name: text }
  if (!text.includes(':')) return text === '' ? 'say who' : { kind: 'user', name: text }
  const who = parseWho(text)
  if ('problem' in who) return `${JSON.stringify(text)} ${who.problem}`
  if (who.kind === 'user' || who.kind === 'robot') return { kind: who.kind, name: who.name }
  return `${JSON.stringify(text)} is nobody in particular: say the name of a person, robot:NAME or anonymous`
}

type Answer = { explanation: Explanation; groups: readonly string[]; notes: readonly string[] }

/** @returns a string where there is no answer: why */
async function answerOf(rules: Rules, question: Question): Promise<Answer | string> {
  const { loaded } = rules
  const { config } = loaded
  if (!isAccessOn(loaded) && config.auth.token !== undefined)
    return 'the tokens of another server decide here (auth.token): ask that server'
  const asker = await askerOf(rules, question)
  if (typeof asker === 'string') return asker
  const explanation = await explanationFor(rules, question, asker)
  return {
    explanation,
    groups: asker.principal.groups,
    notes: [...asker.notes, ...switchesOf(question, config)],
  }
}

async function explanationFor(rules: Rules, question: Question, asker: Asker): Promise<Explanation> {
  const { loaded, data } = rules
  const { action, named } = question
  const { principal, barred } = asker
  if (!isAccessOn(loaded) && !hasAccounts(loaded.config)) return OPEN
  const now = await accessNow(rules)
  const isNew = await isNewTag(data.metadata.db, question, now, principal)
  if (isNew) asker.notes.push('this tag is not there yet; once it is, it may not be moved')
  const explanation = now.explain(principal, isNew ? 'create' : action, named.repository)
  if (barred === undefined) return explanation
  return {
    ...explanation,
    allowed: false,
    why: `${principal.name} ${barred} and cannot sign in; else: ${explanation.why}`,
  }
}

const OPEN: Explanation = {
  allowed: true,
  pattern: undefined,
  source: 'default',
  why: 'the registry is open to everyone: it has neither auth nor access',
}

/** What holds for everybody, whatever the rules say. */
function switchesOf({ action }: Question, { storage }: Config): string[] {
  const switches: string[] = []
  if (action === 'delete' && !storage.delete.enabled)
    switches.push('deletes are off for everybody (storage.delete.enabled)')
  if (action !== 'pull' && storage.maintenance.readonly.enabled)
    switches.push('the registry is read-only for everybody (storage.maintenance.readonly)')
  return switches
}

function hasAccounts({ auth }: Config): boolean {
  const { htpasswd, ldap, certificates, workloads } = auth
  return [htpasswd, ldap, certificates].some((part) => part !== undefined) || workloads.length > 0
}

async function accessNow({ loaded, data }: Rules): Promise<AccessNow> {
  if (!isAccessOn(loaded)) return createSignedInAccess(data.metadata.db).current()
  const file = accessInFile(loaded)
  return createAccess({ db: data.metadata.db, file: () => file, log: silentLogger }).current()
}

/** Who may only create may do so under a name that is free. */
async function isNewTag(
  db: Db,
  { action, named }: Question,
  now: AccessNow,
  who: Principal,
): Promise<boolean> {
  const { repository, tag } = named
  if (action !== 'push' || tag === undefined) return false
  if (now.mayMoveTags(who, repository) || !now.may(who, 'push', repository)) return false
  return (await findManifest(db, repository, { kind: 'tag', tag })) === undefined
}

/** `barred`: why they cannot sign in at all. */
type Asker = { principal: Principal; notes: string[]; barred?: string | undefined }

/** @returns a string where it is nobody: why */
async function askerOf({ loaded, data }: Rules, { who, groups }: Question): Promise<Asker | string> {
  if (who.kind === 'anonymous') return { principal: anonymousPrincipal, notes: [] }
  const { db } = data.metadata
  const { kind, name } = who
  const file = accessInFile(loaded)
  const membership = createMembership({ db, fileAccess: () => (isAccessOn(loaded) ? file : undefined) })
  const all = [...new Set([...(await membership.groupsOf(`${kind}:${name}`)), ...groups])]
  const principal: Principal = { ...anonymousPrincipal, id: `${kind}:${name}`, name, kind, groups: all }
  if (kind === 'robot') {
    const robot = await findRobotByName(db, name)
    if (robot === undefined) return `there is no robot ${JSON.stringify(name)}: "berth robot list" shows them`
    const isOver = robot.expiresAt !== undefined && robot.expiresAt <= Date.now()
    const barred = robot.disabledAt !== undefined ? 'is disabled' : isOver ? 'has expired' : undefined
    return { principal: { ...principal, grants: robot.scopes as readonly Scope[] }, notes: [], barred }
  }
  const user = isAccessOn(loaded) ? await findUserByName(db, name) : undefined
  const isAdmin = user?.isAdmin === true || membership.isAdministrator(name, all)
  const notes: string[] = []
  const barred = user?.disabledAt === undefined ? undefined : 'is disabled'
  if (user === undefined && isAccessOn(loaded)) notes.push(await noUser(db, name))
  return { principal: { ...principal, isAdmin }, notes, barred }
}

async function noUser(db: Db, name: string): Promise<string> {
  const robot = await findRobotByName(db, name)
  return robot === undefined
    ? `${name} is no user of the database; this is how it is for one of htpasswd, LDAP or a certificate (groups of those: --group)`
    : `this is how it is for a person; ${name} is a robot: for that one, say robot:${name}`
}

function textOf({ who, action, named }: Question, { explanation, groups, notes }: Answer): string {
  const { allowed, why, source } = explanation
  const name = who.kind === 'anonymous' ? 'who did not sign in' : fit(who.name)
  const tag = named.tag === undefined ? '' : `:${named.tag}`
  const digest = named.digest === undefined ? '' : `@${named.digest}`
  const verdict = allowed ? `yes: ${name} may ${action}` : `no: ${name} may not ${action}`
  return [
    `${verdict} ${named.repository}${tag}${digest}`,
    source === 'administrators' || source === 'scopes' ? `  ${fit(why)}` : `  ${fit(why)} (${fit(source)})`,
    ...(groups.length === 0 ? [] : [`  groups of ${name}: ${fit(groups.join(', '))}`]),
    ...notes.map((note) => `  ${fit(note)}`),
    '',
  ].join('\n')
}

function jsonOf({ who, action, named }: Question, { explanation, groups, notes }: Answer): string {
  const { allowed, pattern, source, why } = explanation
  const whom = who.kind === 'anonymous' ? who.kind : `${who.kind}:${who.name}`
  const { repository, tag, digest } = named
  const what = { who: whom, action, repository, ...(tag && { tag }), ...(digest && { digest }) }
  return `${JSON.stringify({ ...what, allowed, pattern: pattern ?? null, source, why, groups, notes })}\n`
}
