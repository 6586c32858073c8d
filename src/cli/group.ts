/** `berth group`: groups of the database. */
import { parseMember, whyNoGroupName } from '../auth/names.ts'
import {
  addMember,
  createGroup,
  findGroupByName,
  type GroupRow,
  listGroups,
  listMembers,
  type Member,
  removeGroup,
  removeMember,
} from '../metadata/access/groups.ts'
import { findRobotByName } from '../metadata/access/robots.ts'
import { findUserByName } from '../metadata/access/users.ts'
import type { OpenedData } from '../storage.ts'
import { noteWithoutAccess, whyNoText } from './access-arguments.ts'
import { CONFIG_HELP, CONFIG_OPTION, parseArguments } from './arguments.ts'
import type { Command, Io } from './command.ts'
import { operator } from './operator.ts'
import { recordAudit } from './record-audit.ts'
import { refuse, refuseUse, runVerb } from './refusal.ts'
import { fit } from './table.ts'
import { isoText, localText } from './times.ts'
import { withData } from './with-data.ts'
import { pagesAfter, writeList } from './write-list.ts'

const help = `Usage: berth group add NAME [--description TEXT]
       berth group list [--json]
       berth group show NAME [--json]
       berth group remove NAME...
       berth group join | leave NAME MEMBER...

Groups of the registry's own database. Rules name them as group:NAME. Somebody is in the groups of the database, of the
configuration file (access.groups) and of a directory together; only those of the database are changed here.

join      Puts members into a group. MEMBER is the name of a user, wherever that one is known (the database, htpasswd,
          LDAP), or robot:NAME.
leave     Takes members out of a group.
remove    Takes a group away. Rules that name it mean nobody then.

      --description TEXT   what it is for
      --json               for programs, times in UTC
${CONFIG_HELP}`

const VERBS = {
  add: addOf,
  list: listOf,
  show: showOf,
  remove: removeOf,
  join: (args: readonly string[], io: Io) => changeMembers('join', args, io),
  leave: (args: readonly string[], io: Io) => changeMembers('leave', args, io),
} as const
const LIST_OPTIONS = { ...CONFIG_OPTION, json: { type: 'boolean' } } as const
const PAGE = 500

export const command: Command = {
  name: 'group',
  summary: 'add, list or remove groups, and put users into them',
  help,
  run: (args, io) => runVerb('group', VERBS, args, io),
}

const unknown = (name: string): string =>
  `there is no group ${JSON.stringify(name)}: "berth group list" shows them`

async function addOf(args: readonly string[], io: Io): Promise<number> {
  const options = { ...CONFIG_OPTION, description: { type: 'string' } } as const
  const parsed = parseArguments('group add', args, options, 1, io)
  if (parsed === undefined) return 2
  const { description = '', config } = parsed.values
  const [name] = parsed.positionals
  if (name === undefined) return refuseUse(io, 'group add', 'say what the group is called')
  const why = whyNoGroupName(name)
  const wrong = why === undefined ? whyNoText('--description', description) : `the name ${why}`
  if (wrong !== undefined) return refuseUse(io, 'group add', wrong)
  return withData(io, config, async (data) => {
    const actor = operator('berth group add', 'group')
    const id = await createGroup(data.metadata.db, { name, description }, actor)
    if (id === undefined) return refuse(io, 'group add', `there is a group ${name} already`)
    await recordAudit({ io, data }, actor, 'group', `group:${name}`)
    noteWithoutAccess(io, data)
    io.stdout.write(`Made the group ${name}.\n`)
    return 0
  })
}

async function listOf(args: readonly string[], io: Io): Promise<number> {
  const parsed = parseArguments('group list', args, LIST_OPTIONS, 0, io)
  if (parsed === undefined) return 2
  type Listed = GroupRow & { members: number }
  return withData(io, parsed.values.config, ({ metadata: { db } }, signal) =>
    writeList(
      io,
      pagesAfter<Listed>((after) => listGroups(db, after?.name ?? '', PAGE), PAGE),
      {
        header: ['NAME', 'MEMBERS', 'DESCRIPTION'],
        row: ({ name, members, description }) => [name, String(members), fit(description, 80)],
        json: (group) => ({ ...groupJson(group), members: group.members }),
        empty: 'There are no groups in the database: "berth group add" makes one.\n',
      },
      parsed.values.json === true,
      signal,
    ),
  )
}

function groupJson({ id, name, description, createdAt, createdBy }: GroupRow): object {
  return { id, name, description, createdAt: isoText(createdAt), createdBy }
}

async function showOf(args: readonly string[], io: Io): Promise<number> {
  const parsed = parseArguments('group show', args, LIST_OPTIONS, 1, io)
  if (parsed === undefined) return 2
  const [name] = parsed.positionals
  if (name === undefined) return refuseUse(io, 'group show', 'say which group')
  return withData(io, parsed.values.config, async ({ metadata: { db } }) => {
    const group = await findGroupByName(db, name)
    if (group === undefined) return refuse(io, 'group show', unknown(name))
    const members: Member[] = []
    const pages = pagesAfter<Member>((after) => listMembers(db, group.id, after ?? '', PAGE), PAGE)
    for await (const page of pages) members.push(...page)
    if (parsed.values.json === true) {
      io.stdout.write(`${JSON.stringify({ ...groupJson(group), members }, undefined, 2)}\n`)
      return 0
    }
    const description = group.description === '' ? '' : `description  ${fit(group.description)}\n`
    io.stdout.write(
      `name         ${group.name}\n${description}created      ${localText(group.createdAt)} by ${group.createdBy}\n` +
        `members      ${members.length === 0 ? '-' : members.map((member) => fit(member)).join(', ')}\n`,
    )
    return 0
  })
}

async function removeOf(args: readonly string[], io: Io): Promise<number> {
  const parsed = parseArguments('group remove', args, CONFIG_OPTION, Infinity, io)
  if (parsed === undefined) return 2
  if (parsed.positionals.length === 0) return refuseUse(io, 'group remove', 'say which group')
  return withData(io, parsed.values.config, async (data) => {
    const { db } = data.metadata
    let code = 0
    for (const name of parsed.positionals) {
      const group = await findGroupByName(db, name)
      const actor = operator('berth group remove', 'group')
      if (group !== undefined && (await removeGroup(db, group.id, actor))) {
        await recordAudit({ io, data }, actor, 'group', `group:${name}`)
        io.stdout.write(`Removed the group ${name}.\n`)
      } else code = refuse(io, 'group remove', unknown(name))
    }
    return code
  })
}

async function changeMembers(verb: 'join' | 'leave', args: readonly string[], io: Io): Promise<number> {
  const command = `group ${verb}`
  const parsed = parseArguments(command, args, CONFIG_OPTION, Infinity, io)
  if (parsed === undefined) return 2
  const [name, ...texts] = parsed.positionals
  if (name === undefined || texts.length === 0) return refuseUse(io, command, 'say which group, and whom')
  const members = texts.map((text) => ({ text, member: parseMember(text) }))
  const wrong = members.find(({ member }) => member === undefined)
  if (wrong !== undefined)
    return refuseUse(
      io,
      command,
      `${JSON.stringify(wrong.text)} is neither the name of a user nor robot:NAME`,
    )
  return withData(io, parsed.values.config, async (data) => {
    const group = await findGroupByName(data.metadata.db, name)
    if (group === undefined) return refuse(io, command, unknown(name))
    let code = 0
    for (const { member } of members) {
      if (member === undefined) continue
      const why = verb === 'join' ? await join(io, data, group, member) : await leave(io, data, group, member)
      if (why !== undefined) code = refuse(io, command, why)
    }
    return code
  })
}

/** @returns why not */
async function join(io: Io, data: OpenedData, group: GroupRow, member: Member): Promise<string | undefined> {
  const { db } = data.metadata
  const name = member.slice(member.indexOf(':') + 1)
  if (member.startsWith('robot:') && (await findRobotByName(db, name)) === undefined)
    return `there is no robot ${name}: "berth robot list" shows them`
  const actor = operator('berth group join', 'group')
  const isAdded = await addMember(db, group.id, member, actor)
  if (isAdded) await recordAudit({ io, data }, actor, 'group', `group:${group.name}`, { member })
  io.stdout.write(`${fit(member)} is ${isAdded ? 'now ' : 'already '}in ${group.name}.\n`)
  if (member.startsWith('user:') && (await findUserByName(db, name)) === undefined)
    io.stderr.write(
      `Note: the database has no user ${fit(name)}; the group counts for one of that name that comes from elsewhere.\n`,
    )
  return undefined
}

async function leave(io: Io, data: OpenedData, group: GroupRow, member: Member): Promise<string | undefined> {
  const actor = operator('berth group leave', 'group')
  const isDone = await removeMember(data.metadata.db, group.id, member, actor)
  if (!isDone) return `${fit(member)} is not in ${group.name}`
  await recordAudit({ io, data }, actor, 'group', `group:${group.name}`, { member })
  io.stdout.write(`${fit(member)} is no longer in ${group.name}.\n`)
  return undefined
}
