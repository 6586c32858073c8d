/** `berth user`: Berth's own users. */
import { randomBytes } from 'node:crypto'
import { whyNoUserName } from '../auth/names.ts'
import { createPasswordHasher } from '../auth/passwords/create-hasher.ts'
import { changeUser, removeUser, type UserChange } from '../metadata/access/user-changes.ts'
import { createUser, findUserByName, hasAdministrator, type UserRow } from '../metadata/access/users.ts'
import type { Actor } from '../metadata/actor.ts'
import type { Db } from '../metadata/database.ts'
import type { OpenedData } from '../storage.ts'
import { noteWithoutAccess } from './access-arguments.ts'
import { CONFIG_HELP, CONFIG_OPTION, parseArguments } from './arguments.ts'
import type { Command, Io } from './command.ts'
import { operator } from './operator.ts'
import { recordAudit } from './record-audit.ts'
import { type NewPassword, PASSWORD_HELP, PASSWORD_OPTIONS, readNewPassword } from './password-input.ts'
import { refuse, refuseUse, runVerb } from './refusal.ts'
import { listOf, showOf } from './user-list.ts'
import { withData } from './with-data.ts'

const help = `Usage: berth user add NAME [--admin] [--password-stdin | --generate]
       berth user passwd NAME [--password-stdin | --generate]
       berth user list [--json]
       berth user show NAME [--json]
       berth user disable | enable | remove NAME...
       berth user admin NAME... [--off]

Users of the registry's own database, for configurations that have an access section. A change holds from the next
request on, also in registries that run.

add       Makes a user. The password is asked for, without showing it.
passwd    Gives another password. Sessions, and tokens of "docker login", that came of the old one end; personal
          tokens stay.
list      Shows all users, show one, with the groups and the personal tokens.
disable   Nobody comes in by that name, by password or token, until it is enabled again.
remove    Takes a user away, with its personal tokens and from its groups. One of that name that is made later is
          somebody else, but rules that name user:NAME mean both.
admin     Lets users do everything in the registry; --off: no longer.

${PASSWORD_HELP}      --admin            may do everything
      --json             for programs, times in UTC
${CONFIG_HELP}`

const VERBS = {
  add: addOf,
  passwd: passwordOf,
  list: listOf,
  show: showOf,
  disable: (args: readonly string[], io: Io) =>
    changeAll('disable', args, io, () => ({ set: 'disabled', stamp: newStamp() })),
  enable: (args: readonly string[], io: Io) => changeAll('enable', args, io, () => ({ set: 'enabled' })),
  remove: removeOf,
  admin: adminOf,
} as const

export const command: Command = {
  name: 'user',
  summary: 'add, list, change or remove users of the registry',
  help,
  run: (args, io) => runVerb('user', VERBS, args, io),
}

const newStamp = (): string => randomBytes(12).toString('base64url')

const ADD_OPTIONS = { ...CONFIG_OPTION, ...PASSWORD_OPTIONS, admin: { type: 'boolean' } } as const

async function addOf(args: readonly string[], io: Io): Promise<number> {
  const parsed = parseArguments('user add', args, ADD_OPTIONS, 1, io)
  if (parsed === undefined) return 2
  const { values, positionals } = parsed
  const [name] = positionals
  if (name === undefined) return refuseUse(io, 'user add', 'say what the user is called')
  const why = whyNoUserName(name)
  if (why !== undefined) return refuseUse(io, 'user add', `the name ${why}`)
  return withData(io, values.config, async (data) => {
    const { db } = data.metadata
    if ((await findUserByName(db, name)) !== undefined) return refuse(io, 'user add', taken(name, 'user'))
    const password = await readNewPassword(io, values)
    if ('wrong' in password) return refusePassword(io, 'user add', password)
    const isAdmin = values.admin === true
    const user = { name, password: await hashOf(data, password.text), stamp: newStamp(), isAdmin }
    const actor = operator('berth user add', 'user')
    const made = await createUser(db, user, actor)
    if (made.kind === 'taken') return refuse(io, 'user add', taken(name, made.by))
    await recordAudit({ io, data }, actor, 'user', `user:${name}`, isAdmin ? { isAdmin } : undefined)
    noteWithoutAccess(io, data)
    io.stderr.write(`Made the user ${name}${isAdmin ? ', who may do everything' : ''}.\n`)
    giveOut(io, password)
    return 0
  })
}

async function passwordOf(args: readonly string[], io: Io): Promise<number> {
  const parsed = parseArguments('user passwd', args, { ...CONFIG_OPTION, ...PASSWORD_OPTIONS }, 1, io)
  if (parsed === undefined) return 2
  const { values, positionals } = parsed
  const [name] = positionals
  if (name === undefined) return refuseUse(io, 'user passwd', 'say whose password')
  return withData(io, values.config, async (data) => {
    const { db } = data.metadata
    const user = await findUserByName(db, name)
    if (user === undefined) return refuse(io, 'user passwd', unknown(name))
    const password = await readNewPassword(io, values)
    if ('wrong' in password) return refusePassword(io, 'user passwd', password)
    const hash = await hashOf(data, password.text)
    const change: UserChange = { set: 'password', password: hash, stamp: newStamp() }
    const actor = operator('berth user passwd', 'user')
    const isDone = await changeUser(db, user.id, change, actor)
    if (!isDone) return refuse(io, 'user passwd', unknown(name))
    await recordAudit({ io, data }, actor, 'user', `user:${name}`)
    io.stderr.write(
      `${name} has another password.${user.disabledAt === undefined ? '' : ' It is still disabled.'}\n`,
    )
    giveOut(io, password)
    return 0
  })
}

async function hashOf({ log }: OpenedData, password: string): Promise<string> {
  const hasher = createPasswordHasher({ log, hasUsers: false })
  try {
    return await hasher.hash(password)
  } finally {
    await hasher.close()
  }
}

function refusePassword(
  io: Io,
  command: string,
  { wrong, isUse }: { wrong: string; isUse: boolean },
): number {
  return isUse ? refuseUse(io, command, wrong) : refuse(io, command, wrong)
}

function giveOut({ stdout, stderr }: Io, { text, isGenerated }: NewPassword): void {
  if (!isGenerated) return
  stderr.write('The password, which is shown this once:\n')
  stdout.write(`${text}\n`)
}

const unknown = (name: string): string =>
  `there is no user ${JSON.stringify(name)}: "berth user list" shows them`
const taken = (name: string, by: 'user' | 'robot'): string =>
  `there is a ${by} ${name} already${by === 'robot' ? ': users and robots do not share names' : ''}`

type Change = {
  /** For the record. */
  change: string
  /** @returns false: it is not there any more */
  work: (db: Db, user: UserRow, actor: Actor) => Promise<boolean>
  done: (name: string) => string
}

/** Of each user that is named; one that is not there does not keep the others from it. */
async function forEach(
  verb: string,
  names: readonly string[],
  configPath: string | undefined,
  io: Io,
  { change, work, done }: Change,
): Promise<number> {
  if (names.length === 0) return refuseUse(io, `user ${verb}`, 'say which user')
  return withData(io, configPath, async (data) => {
    let code = 0
    for (const name of names) {
      const user = await findUserByName(data.metadata.db, name)
      const actor = operator(`berth user ${verb}`, 'user')
      if (user === undefined || !(await work(data.metadata.db, user, actor))) {
        code = refuse(io, `user ${verb}`, unknown(name))
        continue
      }
      await recordAudit({ io, data }, actor, 'user', `user:${name}`, { change })
      io.stdout.write(`${done(name)}\n`)
    }
    await noteWithoutAdministrator(io, data)
    return code
  })
}

async function noteWithoutAdministrator(io: Io, data: OpenedData): Promise<void> {
  const isNamed = (data.config.access?.administrators.length ?? 0) > 0
  if (isNamed || (await hasAdministrator(data.metadata.db))) return
  io.stderr.write('Note: no user is an administrator now. The next start of the registry makes one.\n')
}

async function changeAll(
  verb: 'disable' | 'enable',
  args: readonly string[],
  io: Io,
  change: () => UserChange,
): Promise<number> {
  const parsed = parseArguments(`user ${verb}`, args, CONFIG_OPTION, Infinity, io)
  if (parsed === undefined) return 2
  return forEach(verb, parsed.positionals, parsed.values.config, io, {
    change: `${verb}d`,
    work: (db, { id }, actor) => changeUser(db, id, change(), actor),
    done: (name) => `${name} is ${verb}d.`,
  })
}

async function adminOf(args: readonly string[], io: Io): Promise<number> {
  const options = { ...CONFIG_OPTION, off: { type: 'boolean' } } as const
  const parsed = parseArguments('user admin', args, options, Infinity, io)
  if (parsed === undefined) return 2
  const isAdmin = parsed.values.off !== true
  return forEach('admin', parsed.positionals, parsed.values.config, io, {
    change: isAdmin ? 'administrator' : 'no administrator',
    work: (db, { id }, actor) => changeUser(db, id, { set: 'admin', isAdmin }, actor),
    done: (name) => `${name} may ${isAdmin ? '' : 'no longer '}do everything.`,
  })
}

async function removeOf(args: readonly string[], io: Io): Promise<number> {
  const parsed = parseArguments('user remove', args, CONFIG_OPTION, Infinity, io)
  if (parsed === undefined) return 2
  return forEach('remove', parsed.positionals, parsed.values.config, io, {
    change: 'removed',
    work: removeUser,
    done: (name) => `Removed the user ${name}.`,
  })
}
