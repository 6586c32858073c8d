/** `berth robot`: accounts of programs, and their secrets. */
import { whyNoRobotName } from '../auth/names.ts'
import {
  changeRobot,
  createRobot,
  findRobotByName,
  removeRobot,
  type RobotChange,
  type RobotRow,
} from '../metadata/access/robots.ts'
import type { OpenedData } from '../storage.ts'
import {
  EXPIRES_HELP,
  MAY_HELP,
  noteWithoutAccess,
  readExpiry,
  readScopes,
  whyNoText,
} from './access-arguments.ts'
import { CONFIG_HELP, CONFIG_OPTION, parseArguments } from './arguments.ts'
import type { Command, Io } from './command.ts'
import { operator } from './operator.ts'
import { recordAudit } from './record-audit.ts'
import { refuse, refuseUse, runVerb } from './refusal.ts'
import { listOf, showOf } from './robot-list.ts'
import { giveSecret, secretVerb } from './robot-secret.ts'
import { momentText } from './times.ts'
import { withData } from './with-data.ts'

const help = `Usage: berth robot add NAME --may SCOPE [--may SCOPE]... [--expires WHEN] [--description TEXT]
       berth robot change NAME [--may SCOPE]... [--expires WHEN] [--description TEXT]
       berth robot list [--json]
       berth robot show NAME [--json]
       berth robot secret add NAME [--name TEXT] [--expires WHEN]
       berth robot secret revoke NAME ID
       berth robot disable | enable | remove NAME...

Accounts of programs: CI, clusters, scripts. A robot signs in with its name and a secret as the password. It may what its
scopes say, and what rules allow to robot:NAME and to its groups. A change holds from the next request on.

add            Makes a robot and its first secret. The secret, and nothing else, goes to the standard output, once:
               SECRET=$(berth robot add ci --may 'team/**:pull,push')
change         Replaces what it may (all of its scopes), when it ends, what it is for.
secret add     Makes another secret; the old ones stay good. To rotate: add one, bring it to where it is used, see in
               "show" that the old one is used no more, revoke that one.
secret revoke  Ends a secret; ID is its number in "show".
disable        None of its secrets is good until it is enabled again.
remove         Takes a robot away, with its secrets and from its groups.

${MAY_HELP}${EXPIRES_HELP}      --name TEXT      what the secret is for
      --description TEXT
      --json           for programs, times in UTC
${CONFIG_HELP}`

const VERBS = {
  add: addOf,
  change: changeOf,
  list: listOf,
  show: showOf,
  secret: secretVerb,
  disable: (args: readonly string[], io: Io) => changeAll('disable', args, io),
  enable: (args: readonly string[], io: Io) => changeAll('enable', args, io),
  remove: (args: readonly string[], io: Io) => changeAll('remove', args, io),
} as const

export const command: Command = {
  name: 'robot',
  summary: 'add, list, change or remove accounts of programs, and their secrets',
  help,
  run: (args, io) => runVerb('robot', VERBS, args, io),
}

const OPTIONS = {
  ...CONFIG_OPTION,
  may: { type: 'string', multiple: true },
  expires: { type: 'string' },
  description: { type: 'string' },
} as const

type Given = { may?: string[]; expires?: string; description?: string }

/** @returns a string says what is wrong */
function readGiven({ may, expires, description }: Given): RobotChange | string {
  const scopes = may === undefined ? undefined : readScopes(may, 'robot')
  if (typeof scopes === 'string') return scopes
  const expiresAt = expires === undefined ? undefined : readExpiry(expires, Date.now())
  if (typeof expiresAt === 'string') return expiresAt
  const wrong = description === undefined ? undefined : whyNoText('--description', description)
  if (wrong !== undefined) return wrong
  return {
    ...(scopes && { scopes }),
    ...(expiresAt !== undefined && { expiresAt }),
    ...(description !== undefined && { description }),
  }
}

async function addOf(args: readonly string[], io: Io): Promise<number> {
  const parsed = parseArguments('robot add', args, OPTIONS, 1, io)
  if (parsed === undefined) return 2
  const [name] = parsed.positionals
  if (name === undefined) return refuseUse(io, 'robot add', 'say what the robot is called')
  const why = whyNoRobotName(name)
  if (why !== undefined) return refuseUse(io, 'robot add', `the name ${why}`)
  const given = readGiven(parsed.values)
  if (typeof given === 'string') return refuseUse(io, 'robot add', given)
  const { scopes = [], description = '' } = given
  const expiresAt = given.expiresAt ?? undefined
  return withData(io, parsed.values.config, async (data) => {
    const { db } = data.metadata
    const robot = { name, description, scopes, expiresAt }
    const actor = operator('berth robot add', 'robot')
    const made = await createRobot(db, robot, actor)
    if (made.kind === 'taken') return refuse(io, 'robot add', taken(name, made.by))
    await recordAudit({ io, data }, actor, 'robot', `robot:${name}`)
    noteWithoutAccess(io, data)
    const ends = expiresAt === undefined ? 'does not expire' : `ends at ${momentText(expiresAt)}`
    io.stderr.write(`Made the robot ${name}; it ${ends}.\n`)
    if (scopes.length === 0)
      io.stderr.write(`Note: without --may it may only what rules allow to robot:${name} and its groups.\n`)
    await giveSecret(io, data, { id: made.id, name }, { client: 'berth robot add' })
    return 0
  })
}

const unknown = (name: string): string =>
  `there is no robot ${JSON.stringify(name)}: "berth robot list" shows them`
const taken = (name: string, by: 'user' | 'robot'): string =>
  `there is a ${by} ${name} already${by === 'user' ? ': users and robots do not share names' : ''}`

async function changeOf(args: readonly string[], io: Io): Promise<number> {
  const parsed = parseArguments('robot change', args, OPTIONS, 1, io)
  if (parsed === undefined) return 2
  const [name] = parsed.positionals
  if (name === undefined) return refuseUse(io, 'robot change', 'say which robot')
  const given = readGiven(parsed.values)
  if (typeof given === 'string') return refuseUse(io, 'robot change', given)
  if (Object.keys(given).length === 0)
    return refuseUse(io, 'robot change', 'say what to change: --may, --expires or --description')
  return withData(io, parsed.values.config, async (data) => {
    const { db } = data.metadata
    const robot = await findRobotByName(db, name)
    const actor = operator('berth robot change', 'robot')
    const isDone = robot !== undefined && (await changeRobot(db, robot.id, given, actor))
    if (!isDone) return refuse(io, 'robot change', unknown(name))
    await recordAudit({ io, data }, actor, 'robot', `robot:${name}`)
    io.stdout.write(`Changed the robot ${name}.\n`)
    return 0
  })
}

async function changeAll(
  verb: 'disable' | 'enable' | 'remove',
  args: readonly string[],
  io: Io,
): Promise<number> {
  const command = `robot ${verb}`
  const parsed = parseArguments(command, args, CONFIG_OPTION, Infinity, io)
  if (parsed === undefined) return 2
  if (parsed.positionals.length === 0) return refuseUse(io, command, 'say which robot')
  return withData(io, parsed.values.config, async (data) => {
    let code = 0
    for (const name of parsed.positionals) {
      const robot = await findRobotByName(data.metadata.db, name)
      const done = robot && (await change(verb, { io, data }, robot))
      if (done === undefined) code = refuse(io, command, unknown(name))
      else io.stdout.write(`${done}\n`)
    }
    return code
  })
}

/** @returns what was done; undefined: it is not there any more */
async function change(
  verb: 'disable' | 'enable' | 'remove',
  { io, data }: { io: Io; data: OpenedData },
  robot: RobotRow,
): Promise<string | undefined> {
  const { db } = data.metadata
  const actor = operator(`berth robot ${verb}`, 'robot')
  const isDone =
    verb === 'remove'
      ? await removeRobot(db, robot, actor)
      : await changeRobot(db, robot.id, { isDisabled: verb === 'disable' }, actor)
  if (!isDone) return undefined
  await recordAudit({ io, data }, actor, 'robot', `robot:${robot.name}`)
  return verb === 'remove' ? `Removed the robot ${robot.name}.` : `${robot.name} is ${verb}d.`
}
