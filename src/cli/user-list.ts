/** `berth user list` and `show`. */
import { groupsOfMember } from '../metadata/access/groups.ts'
import { type ListedSecret, listSecretsOf } from '../metadata/access/secrets.ts'
import { findUserByName, type ListedUser, listUsers } from '../metadata/access/users.ts'
import type { Db } from '../metadata/database.ts'
import { CONFIG_OPTION, parseArguments } from './arguments.ts'
import type { Io } from './command.ts'
import { refuse, refuseUse } from './refusal.ts'
import { SECRET_HEADER, secretJson, secretRow, timeCell, timeJson } from './secret-text.ts'
import { createTable } from './table.ts'
import { isoText, localText, zoneText } from './times.ts'
import { withData } from './with-data.ts'
import { pagesAfter, writeList } from './write-list.ts'

const LIST_OPTIONS = { ...CONFIG_OPTION, json: { type: 'boolean' } } as const
const PAGE = 500

export async function listOf(args: readonly string[], io: Io): Promise<number> {
  const parsed = parseArguments('user list', args, LIST_OPTIONS, 0, io)
  if (parsed === undefined) return 2
  const now = Date.now()
  return withData(io, parsed.values.config, ({ metadata: { db } }, signal) =>
    writeList(
      io,
      pagesAfter<ListedUser>((after) => listUsers(db, after?.name ?? '', PAGE), PAGE),
      {
        header: ['NAME', 'STATE', `CREATED (${zoneText(now)})`, 'LAST USED'],
        row: (user) => [
          user.name,
          stateText(user),
          timeCell(user.createdAt, now, '-'),
          timeCell(user.lastUsedAt, now, 'never'),
        ],
        json: userJson,
        empty: 'There are no users in the database: "berth user add" makes one.\n',
      },
      parsed.values.json === true,
      signal,
    ),
  )
}

type Shown = Omit<ListedUser, 'lastUsedAt'> & Partial<Pick<ListedUser, 'lastUsedAt'>>

function stateText({ disabledAt, isAdmin, hasPassword }: Shown): string {
  if (disabledAt !== undefined) return 'disabled'
  return `${isAdmin ? 'administrator' : 'good'}${hasPassword ? '' : ', no password'}`
}

function userJson(user: Shown): object {
  const { id, name, isAdmin, hasPassword, createdBy } = user
  return {
    id,
    name,
    isAdministrator: isAdmin,
    hasPassword,
    disabledAt: timeJson(user.disabledAt),
    createdAt: isoText(user.createdAt),
    createdBy,
    ...('lastUsedAt' in user && { lastUsedAt: timeJson(user.lastUsedAt) }),
  }
}

export async function showOf(args: readonly string[], io: Io): Promise<number> {
  const parsed = parseArguments('user show', args, LIST_OPTIONS, 1, io)
  if (parsed === undefined) return 2
  const [name] = parsed.positionals
  if (name === undefined) return refuseUse(io, 'user show', 'say which user')
  return withData(io, parsed.values.config, async ({ metadata: { db } }) => {
    const row = await findUserByName(db, name)
    if (row === undefined)
      return refuse(io, 'user show', `there is no user ${JSON.stringify(name)}: "berth user list" shows them`)
    const { password, stamp: _stamp, ...common } = row
    const user: Shown = { ...common, hasPassword: password !== undefined }
    const groups = [...(await groupsOfMember(db, `user:${name}`))].sort()
    const tokens = await tokensOf(db, `user:${row.id}`)
    const now = Date.now()
    if (parsed.values.json === true) {
      const shown = { ...userJson(user), groups, tokens: tokens.map((token) => secretJson(token, now)) }
      io.stdout.write(`${JSON.stringify(shown, undefined, 2)}\n`)
      return 0
    }
    io.stdout.write(
      `name     ${user.name}\nstate    ${stateText(user)}\n` +
        `created  ${localText(user.createdAt)} by ${user.createdBy}\n` +
        `groups   ${groups.length === 0 ? '-' : groups.join(', ')}\n`,
    )
    if (tokens.length > 0)
      io.stdout.write(`\n${createTable(SECRET_HEADER).lines(tokens.map((token) => secretRow(token, now)))}`)
    return 0
  })
}

/** A person has few. */
async function tokensOf(db: Db, holder: string): Promise<ListedSecret[]> {
  return listSecretsOf(db, holder, 'personal', 0, 1000)
}
