/** `berth token`: personal tokens, which stand for a user where a password should not. */
import { createSecret } from '../auth/secrets.ts'
import {
  addSecret,
  findSecretById,
  type ListedSecret,
  listSecretsOf,
  revokeSecret,
  type SecretRow,
} from '../metadata/access/secrets.ts'
import { findUserByName } from '../metadata/access/users.ts'
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
import { SECRET_HEADER, secretJson, secretRow } from './secret-text.ts'
import { momentText } from './times.ts'
import { withData } from './with-data.ts'
import { pagesAfter, writeList } from './write-list.ts'

const help = `Usage: berth token add --user NAME [--may SCOPE]... [--expires WHEN] [--name TEXT]
       berth token list --user NAME [--json]
       berth token revoke ID... | --user NAME --all

Personal tokens: secrets that a person signs in with instead of a password, as in scripts and on other machines. The user
name stays the person's. A token ends with its user, not with the password.

add       Makes one. The token, and nothing else, goes to the standard output, once.
list      Shows the tokens of a user, with when and from where each was last used.
revoke    Ends tokens; ID is the number that the list shows. With --all, everything that stands for a user: tokens, what
          "docker login" keeps, and sessions of browsers. After a break-in: that, then "berth user passwd".

      --user NAME      whose. For a user of another source: htpasswd:NAME or ldap:NAME
${MAY_HELP}                       Absent: all that the user may. It never allows what the user may not
${EXPIRES_HELP}      --name TEXT      what it is for
      --all            of revoke: everything of the user
      --json           for programs, times in UTC
${CONFIG_HELP}`

const VERBS = { add: addOf, list: listOf, revoke: revokeOf } as const
const PAGE = 500

export const command: Command = {
  name: 'token',
  summary: 'add, list or revoke personal tokens',
  help,
  run: (args, io) => runVerb('token', VERBS, args, io),
}

type Holder = { holder: string; holderName: string }

/** @returns a string says what is wrong */
async function findHolder({ metadata: { db }, config }: OpenedData, text: string): Promise<Holder | string> {
  const [, source, name] = /^(htpasswd|ldap):([^:]{1,255})$/s.exec(text) ?? []
  if (source !== undefined && name !== undefined) {
    const isThere = (source === 'htpasswd' ? config.auth.htpasswd : config.auth.ldap) !== undefined
    return isThere ? { holder: text, holderName: name } : `the configuration has no auth.${source}`
  }
  const user = await findUserByName(db, text)
  if (user !== undefined) return { holder: `user:${user.id}`, holderName: user.name }
  return (
    `the database has no user ${JSON.stringify(text)}: "berth user list" shows them. ` +
    'For a user of another source say htpasswd:NAME or ldap:NAME'
  )
}

const ADD_OPTIONS = {
  ...CONFIG_OPTION,
  user: { type: 'string' },
  may: { type: 'string', multiple: true },
  expires: { type: 'string' },
  name: { type: 'string' },
} as const

async function addOf(args: readonly string[], io: Io): Promise<number> {
  const parsed = parseArguments('token add', args, ADD_OPTIONS, 0, io)
  if (parsed === undefined) return 2
  const { user, may, expires, name = '', config } = parsed.values
  if (user === undefined) return refuseUse(io, 'token add', 'say whose: --user NAME')
  const scopes = may === undefined ? undefined : readScopes(may, 'person')
  if (typeof scopes === 'string') return refuseUse(io, 'token add', scopes)
  const expiresAt = expires === undefined ? null : readExpiry(expires, Date.now())
  if (typeof expiresAt === 'string') return refuseUse(io, 'token add', expiresAt)
  const wrong = whyNoText('--name', name)
  if (wrong !== undefined) return refuseUse(io, 'token add', wrong)
  return withData(io, config, async (data) => {
    const holder = await findHolder(data, user)
    if (typeof holder === 'string') return refuse(io, 'token add', holder)
    const { text, hash, hint } = createSecret('personal')
    const limits = { ...(scopes && { scopes }), ...(expiresAt !== null && { expiresAt }) }
    const secret = { kind: 'personal' as const, hash, hint, ...holder, name, ...limits }
    const actor = operator('berth token add', 'secret')
    const id = await addSecret(data.metadata.db, secret, actor)
    await recordAudit({ io, data }, actor, 'secret', `user:${holder.holderName}`, { secret: id })
    noteWithoutAccess(io, data)
    const ends = expiresAt === null ? 'does not expire' : `ends at ${momentText(expiresAt)}`
    io.stderr.write(`Token ${id}, which is shown this once (user name: ${holder.holderName}); it ${ends}:\n`)
    io.stdout.write(`${text}\n`)
    return 0
  })
}

async function listOf(args: readonly string[], io: Io): Promise<number> {
  const options = { ...CONFIG_OPTION, user: { type: 'string' }, json: { type: 'boolean' } } as const
  const parsed = parseArguments('token list', args, options, 0, io)
  if (parsed === undefined) return 2
  const { user, config, json } = parsed.values
  if (user === undefined) return refuseUse(io, 'token list', 'say whose: --user NAME')
  const now = Date.now()
  return withData(io, config, async (data, signal) => {
    const found = await findHolder(data, user)
    if (typeof found === 'string') return refuse(io, 'token list', found)
    const { db } = data.metadata
    return writeList(
      io,
      pagesAfter<ListedSecret>(
        (after) => listSecretsOf(db, found.holder, 'personal', after?.id ?? 0, PAGE),
        PAGE,
      ),
      {
        header: SECRET_HEADER,
        row: (secret) => secretRow(secret, now),
        json: (secret) => secretJson(secret, now),
        empty: `${user} has no personal tokens.\n`,
      },
      json === true,
      signal,
    )
  })
}

const REVOKE_OPTIONS = { ...CONFIG_OPTION, user: { type: 'string' }, all: { type: 'boolean' } } as const

async function revokeOf(args: readonly string[], io: Io): Promise<number> {
  const parsed = parseArguments('token revoke', args, REVOKE_OPTIONS, Infinity, io)
  if (parsed === undefined) return 2
  const { positionals: ids, values } = parsed
  const { user, all = false, config } = values
  if ((user !== undefined) !== all || (all && ids.length > 0))
    return refuseUse(io, 'token revoke', 'say numbers of tokens, or --user NAME --all')
  if (user !== undefined) return withData(io, config, (data) => revokeAllOf({ io, data }, user))
  if (ids.length === 0 || !ids.every((id) => /^[1-9]\d{0,14}$/.test(id)))
    return refuseUse(io, 'token revoke', 'say the number of the token: "berth token list" shows it')
  return withData(io, config, async (data) => {
    let code = 0
    for (const id of ids) {
      const secret = await findSecretById(data.metadata.db, Number(id))
      if (secret?.kind === 'personal') await revokeOne({ io, data }, secret)
      else code = refuse(io, 'token revoke', `there is no personal token ${id}`)
    }
    return code
  })
}

type Context = { io: Io; data: OpenedData }

async function revokeOne({ io, data }: Context, secret: SecretRow): Promise<void> {
  const actor = operator('berth token revoke', 'secret')
  const isDone = await revokeSecret(data.metadata.db, secret, actor)
  const target = `user:${secret.holderName}`
  if (isDone) await recordAudit({ io, data }, actor, 'secret', target, { secret: secret.id })
  const what = `${secret.id} of ${secret.holderName}`
  io.stdout.write(isDone ? `Revoked token ${what}.\n` : `Token ${what} was revoked before.\n`)
}

async function revokeAllOf({ io, data }: Context, user: string): Promise<number> {
  const found = await findHolder(data, user)
  if (typeof found === 'string') return refuse(io, 'token revoke', found)
  const { db } = data.metadata
  const actor = operator('berth token revoke', 'secret')
  let count = 0
  for (const kind of ['personal', 'refresh', 'session'] as const) {
    const pages = pagesAfter<ListedSecret>(
      (after) => listSecretsOf(db, found.holder, kind, after?.id ?? 0, PAGE),
      PAGE,
    )
    for await (const page of pages) {
      for (const secret of page) if (await revokeSecret(db, secret, actor)) count += 1
    }
  }
  if (count > 0)
    await recordAudit({ io, data }, actor, 'secret', `user:${found.holderName}`, { revoked: count })
  io.stdout.write(`Revoked ${count} of ${found.holderName}: tokens, logins of programs, and sessions.\n`)
  return 0
}
