/** The first administrator: without one nobody could let anybody in. Made at the start, where there is none. */
import { randomBytes } from 'node:crypto'
import type { Logger } from '../lib/logger.ts'
import { createFirstAdministrator, hasAdministrator } from '../metadata/access/users.ts'
import type { Actor } from '../metadata/actor.ts'
import { type Db, DatabaseBusyError, DatabaseFullError } from '../metadata/database.ts'
import type { PasswordHasher } from './passwords/hasher.ts'
import { randomCharacters } from './secrets.ts'

type FirstAdministratorParts = {
  db: Db
  hasher: Pick<PasswordHasher, 'hash'>
  /** `access.administrator`; without a password a random one is made. */
  configured: { readonly name: string; readonly password: string | undefined }
  /** `access.administrators`: where it names anybody, there is an administrator. */
  named: { readonly size: number }
  /** The configuration file, as commands are told of it; absent: there is none. */
  file?: string | undefined
  log: Logger
  /** Is given the random password, once; to a terminal or a container's log, past the logger. */
  say: (text: string) => void
  now: () => number
}

/** Several processes that start at the same time make one. A given password changes nothing where there is one. */
export async function ensureAdministrator(parts: FirstAdministratorParts): Promise<void> {
  const { db, named, log } = parts
  if (named.size > 0 || (await hasAdministrator(db))) return
  try {
    await make(parts)
  } catch (error) {
    // No reason for a registry not to serve what it has; the next start tries again.
    if (!(error instanceof DatabaseFullError || error instanceof DatabaseBusyError)) throw error
    log.warn('the first administrator could not be made: it is tried again at the next start', { error })
  }
}

async function make({ db, hasher, configured, file, log, say, now }: FirstAdministratorParts): Promise<void> {
  const { name } = configured
  const password = configured.password ?? randomCharacters(24)
  const user = {
    name,
    password: await hasher.hash(password),
    stamp: randomBytes(12).toString('base64url'),
    isAdmin: true,
  }
  const made = await createFirstAdministrator(db, user, starter(now()))
  switch (made.kind) {
    case 'there-is-one':
      return
    case 'taken':
      log.warn(
        `there is no administrator, and none was made: the name ${name} belongs to a ${made.by}. ` +
          `Say "berth user admin NAME" for one that is there, or give another name in access.administrator.name`,
      )
      return
    case 'created':
      if (configured.password === undefined) say(shownOnce(name, password, file))
      else log.info(`made the first administrator, ${name}, with the password of the configuration`)
  }
}

function starter(now: number): Actor {
  return {
    principalId: 'start',
    principalName: 'first start',
    client: 'berth serve',
    requestId: '',
    cause: 'first-administrator',
    now,
  }
}

function shownOnce(name: string, password: string, file: string | undefined): string {
  return `
berth: there was no administrator, so one was made, who may do everything in this registry:

    name      ${name}
    password  ${password}

This is shown once and kept nowhere. To change it: berth user passwd ${name}${file === undefined ? '' : ` -c ${file}`}

`
}
