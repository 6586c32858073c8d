/** Names and passwords in a file, as Distribution has them. The file is looked at again at most once a second, on use. */
import { createHash } from 'node:crypto'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/logger.ts'
import { IS_IT_MOUNTED } from '../lib/mount-hints.ts'
import { SettingError } from '../lib/setting-error.ts'
import { RegistryError } from '../oci/error.ts'
import { createWhereMissing, fingerprintOf, readHtpasswd, type FirstUser } from './htpasswd-file.ts'
import type { Account, IdentitySource } from './identity.ts'
import { parseHtpasswd, type Htpasswd, type HtpasswdLine } from './parse-htpasswd.ts'
import type { PasswordHasher } from './passwords/hasher.ts'

type Options = {
  path: string
  hasher: Pick<PasswordHasher, 'verify' | 'verifyNobody' | 'imitate'>
  log: Logger
  clock: Clock
  /** The file was missing and has been made: the only time that its password is there to be told. */
  onCreated: (first: FirstUser & { path: string }) => void
  /** Milliseconds for which the file is taken to be as it was. */
  trust?: number
}

const PREFIX = 'htpasswd:'
/** Lines of the log for one reading. */
const MOST_LINES = 20

/** @throws Error: the file cannot be made or read; the message says which and why */
export async function createHtpasswdSource({
  path,
  hasher,
  log,
  clock,
  onCreated,
  trust = 1000,
}: Options): Promise<IdentitySource> {
  const report = (htpasswd: Htpasswd): void => reportProblems(htpasswd, path, log)
  const first = await createWhereMissing(path).catch((error: unknown) => {
    const why =
      (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'its folder cannot be made' : reasonOf(error)
    throw new SettingError(
      `auth.htpasswd.path: ${path} is missing and cannot be made: ${why}; ${IS_IT_MOUNTED}`,
      { cause: error },
    )
  })
  if (first !== undefined) onCreated({ ...first, path })
  const watched = createWatchedFile({ path, log, clock, trust })
  let last: { text: string; htpasswd: Htpasswd; accounts: Map<string, Account> } | undefined

  const parsed = (text: string) => {
    if (last?.text === text) return last
    const htpasswd = parseHtpasswd(text)
    report(htpasswd)
    hasher.imitate(
      'htpasswd',
      Array.from(htpasswd.users.values(), ({ hash }) => hash),
    )
    last = { text, htpasswd, accounts: new Map() }
    return last
  }
  const accountOf = ({ htpasswd, accounts }: NonNullable<typeof last>, name: string): Account | undefined => {
    const line = htpasswd.users.get(name)
    const known = accounts.get(name)
    if (line === undefined || known !== undefined) return known
    const account = createAccount(line)
    accounts.set(name, account)
    return account
  }
  const atStart = await watched.read()
  if (atStart === undefined)
    throw new SettingError(`auth.htpasswd.path: ${path} cannot be read: ${watched.problem}`)
  parsed(atStart)

  return {
    name: 'htpasswd',
    async verify({ name, password }) {
      const now = parsed(readable(await watched.text()))
      const line = now.htpasswd.users.get(name)
      if (line !== undefined)
        return (await hasher.verify(password, line.hash)) ? (accountOf(now, name) ?? 'wrong') : 'wrong'
      if (!now.htpasswd.unusable.has(name)) return 'unknown'
      await hasher.verifyNobody(password, name)
      return 'wrong'
    },
    find(id) {
      if (!id.startsWith(PREFIX)) return undefined
      const name = id.slice(PREFIX.length)
      const text = watched.text()
      if (text instanceof Promise) return text.then((read) => accountOf(parsed(readable(read)), name))
      return accountOf(parsed(readable(text)), name)
    },
  }
}

function createAccount({ name, hash }: HtpasswdLine): Account {
  const stamp = createHash('sha256').update(`${name}:${hash}`).digest('base64url').slice(0, 22)
  const nothing = { groups: [], claims: [], isAdmin: false, grants: [] } as const
  return { principal: { id: `${PREFIX}${name}`, name, kind: 'user', ...nothing }, stamp }
}

/** @throws RegistryError UNAVAILABLE: not 401, as nobody knows whether the password is wrong. */
function readable(text: string | undefined): string {
  if (text !== undefined) return text
  throw new RegistryError(
    'UNAVAILABLE',
    'the file with the users of this registry cannot be read: its operator finds the reason in its log',
    { retryAfter: 10 },
  )
}

type Watched = Pick<Options, 'path' | 'log' | 'clock'> & { trust: number }

/** What the file says, as of at most `trust` milliseconds ago. */
function createWatchedFile({ path, log, clock, trust }: Watched) {
  let text: string | undefined
  let fingerprint: string | undefined
  let lookedAt = -Infinity
  let problem: string | undefined
  let looking: Promise<string | undefined> | undefined

  const failed = (error: unknown): void => {
    const reason = reasonOf(error)
    if (problem === undefined && text !== undefined)
      log.error('the htpasswd file cannot be read: nobody of it can sign in until it can', { path, reason })
    problem = reason
    text = undefined
    fingerprint = undefined
  }
  const look = async (): Promise<string | undefined> => {
    const began = clock.now()
    try {
      if (fingerprint === undefined || (await fingerprintOf(path)) !== fingerprint) {
        const read = await readHtpasswd(path)
        if (problem !== undefined) log.info('the htpasswd file can be read again', { path })
        text = read.text
        fingerprint = read.isFresh ? undefined : read.fingerprint
        problem = undefined
      }
    } catch (error) {
      failed(error)
    }
    lookedAt = began
    return text
  }
  const lookOnce = (): Promise<string | undefined> => {
    looking ??= look().finally(() => {
      looking = undefined
    })
    return looking
  }
  return {
    /** Undefined: it cannot be read. Without waiting where it was looked at a moment ago. */
    text(): string | undefined | Promise<string | undefined> {
      const age = clock.now() - lookedAt
      return age >= 0 && age < trust ? text : lookOnce()
    },
    read: lookOnce,
    get problem() {
      return problem
    },
  }
}

function reportProblems({ users, problems }: Htpasswd, path: string, log: Logger): void {
  for (const { line, name, why } of problems.slice(0, MOST_LINES)) {
    const who = name === undefined ? {} : { user: name }
    log.error(`line ${line} of the htpasswd file is not used: ${why}`, { path, line, ...who })
  }
  if (problems.length > MOST_LINES)
    log.error(`${problems.length - MOST_LINES} more lines of the htpasswd file are not used`, { path })
  if (users.size === 0) log.warn('nobody can sign in by the htpasswd file: it names no user', { path })
  else log.info('the htpasswd file was read', { path, users: users.size })
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EACCES: 'no permission',
  EPERM: 'no permission',
  EROFS: 'the file system is read-only',
  EISDIR: 'it is a folder',
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  return REASONS[code ?? ''] ?? code ?? message
}
