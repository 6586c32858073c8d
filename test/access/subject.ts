/**
 * A whole registry with the configuration of `access`, and somebody of each kind who asks it. People, robots and secrets
 * are made as commands make them: through a second connection, beside the running server.
 */
import { basicHeader } from '../lib/basic-header.ts'
import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { bcrypt } from 'hash-wasm'
import { createSecret } from '../../src/auth/secrets.ts'
import { loadConfig } from '../../src/config/load.ts'
import { silentLogger } from '../../src/lib/logger.ts'
import { changeRobot, createRobot } from '../../src/metadata/access/robots.ts'
import { addSecret } from '../../src/metadata/access/secrets.ts'
import { changeUser } from '../../src/metadata/access/user-changes.ts'
import { createUser, findUserByName } from '../../src/metadata/access/users.ts'
import type { Actor } from '../../src/metadata/actor.ts'
import { OWN_FOLDER } from '../../src/metadata/data-folder.ts'
import type { Db } from '../../src/metadata/database.ts'
import { openMetadata } from '../../src/metadata/open-metadata.ts'
import { startServer } from '../../src/server.ts'
import { createHttpClient, type Answer, type Ask } from '../lib/http-client.ts'
import { createRegistryClient, type RegistryClient } from '../lib/registry-client.ts'
import { afterwards, type Ending, temporaryFolder } from '../lib/temporary.ts'

/** Of each repository below `private/` and `public/`, and of no other. */
const RULES = [
  {
    repositories: ['public/**'],
    allow: {
      anonymous: ['pull'],
      'user:pusher': ['push'],
      'user:creator': ['create'],
      'user:deleter': ['delete'],
    },
  },
  {
    repositories: ['private/**'],
    allow: {
      'user:reader': ['pull'],
      'user:pusher': ['pull', 'push'],
      'user:creator': ['pull', 'create'],
      'user:deleter': ['pull', 'delete'],
    },
  },
]
export const PEOPLE = ['outsider', 'reader', 'pusher', 'creator', 'deleter', 'administrator'] as const
type Person = (typeof PEOPLE)[number]

export type Subject = {
  url: string
  /** The data folder, alone in the one that it lies in. */
  folder: string
  /** The administrator's. */
  client: RegistryClient
  /** As a command beside the server has it. */
  db: Db
  /** @param line method and path, e.g. `GET /v2/` */
  ask(line: string, ask?: Ask): Promise<Answer>
  /** `Authorization` with name and password. */
  basic(name: Person | 'disabled'): string
  /** `Authorization` with a token for these scopes, got with another header, or with none. */
  bearer(authorization: string | undefined, scopes: readonly string[]): Promise<string>
  /** A robot that may do everything. @returns its `Authorization`, and what ends it */
  robot(name: string): Promise<{ basic: string; expire(): Promise<void> }>
  /** A user that may do everything. */
  doomed(name: string): Promise<{ basic: string; disable(): Promise<void>; token(): Promise<string> }>
}

export const actor = (): Actor => ({
  principalId: 'test',
  principalName: 'test',
  client: 'test',
  requestId: 'test',
  cause: 'api',
  now: Date.now(),
})
const passwordOf = (name: string): string => `the password of ${name}`
export const basicOf = (name: string, password: string): string => basicHeader(`${name}:${password}`)

async function addUser(db: Db, name: string, isAdmin = false): Promise<number> {
  const password = await bcrypt({
    password: passwordOf(name),
    salt: randomBytes(16),
    costFactor: 4,
    outputType: 'encoded',
  })
  const stamp = randomBytes(8).toString('hex')
  const made = await createUser(db, { name, password, stamp, isAdmin }, actor())
  if (made.kind !== 'created') throw new Error(`${name} is there`)
  return made.id
}

const EVERYTHING = [{ repositories: '**', actions: ['pull', 'push', 'delete'] }] as const

/** @param settings more of the environment */
export async function startSubject(test: Ending, settings: Record<string, string> = {}): Promise<Subject> {
  const folder = join(temporaryFolder(test, 'access'), 'data')
  mkdirSync(folder)
  const { config } = loadConfig({
    env: {
      REGISTRY_HTTP_ADDR: '127.0.0.1:0',
      REGISTRY_HTTP_TRUSTEDPROXIES: '[127.0.0.0/8]',
      REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: folder,
      REGISTRY_STORAGE_DELETE_ENABLED: 'true',
      REGISTRY_ACCESS_ANONYMOUS: '[]',
      REGISTRY_ACCESS_SIGNEDIN: '[]',
      REGISTRY_ACCESS_RULES: JSON.stringify(RULES),
      REGISTRY_ACCESS_ADMINISTRATOR_PASSWORD: 'of the first administrator',
      ...settings,
    },
  })
  const server = await startServer({ config, version: 'test', log: silentLogger })
  afterwards(test, () => server.close(1000))
  const { db } = openMetadata({ version: 'test', folder: join(folder, OWN_FOLDER) })
  afterwards(test, () => db.close())
  for (const name of PEOPLE) await addUser(db, name, name === 'administrator')

  const http = createHttpClient(server.url)
  afterwards(test, () => http.close())
  const basic = (name: string): string => basicOf(name, passwordOf(name))
  const client = createRegistryClient(server.url, { headers: { authorization: basic('administrator') } })
  afterwards(test, () => client.close())
  const ask = (line: string, more: Ask = {}): Promise<Answer> => {
    const space = line.indexOf(' ')
    return http.ask(line.slice(space + 1), { method: line.slice(0, space), ...more })
  }
  const bearer: Subject['bearer'] = async (authorization, scopes) => {
    const query = scopes.map((scope) => `&scope=${encodeURIComponent(scope)}`).join('')
    const headers = authorization === undefined ? {} : { authorization }
    const answer = await ask(`GET /token?service=berth${query}`, { headers })
    if (answer.status !== 200) throw new Error(`a token: ${answer.status} ${answer.body.toString()}`)
    return `Bearer ${(JSON.parse(answer.body.toString()) as { token: string }).token}`
  }
  return {
    url: server.url,
    folder,
    client,
    db,
    ask,
    basic,
    bearer,
    async robot(name) {
      const robot = { name, description: '', scopes: EVERYTHING, expiresAt: undefined }
      const made = await createRobot(db, robot, actor())
      if (made.kind !== 'created') throw new Error(`${name} is there`)
      const { text, hash, hint } = createSecret('robot')
      const holder = `robot:${made.id}`
      await addSecret(db, { kind: 'robot', hash, hint, holder, holderName: name }, actor())
      return {
        basic: basicOf(name, text),
        expire: async () => void (await changeRobot(db, made.id, { expiresAt: Date.now() - 1000 }, actor())),
      }
    },
    async doomed(name) {
      const id = await addUser(db, name, true)
      return {
        basic: basic(name),
        async disable() {
          await changeUser(db, id, { set: 'disabled', stamp: randomBytes(8).toString('hex') }, actor())
        },
        async token() {
          const { text, hash, hint } = createSecret('personal')
          const { stamp } = (await findUserByName(db, name)) ?? {}
          const secret = { kind: 'personal', hash, hint, holder: `user:${id}`, holderName: name } as const
          const expiresAt = Date.now() - 1000
          await addSecret(db, { ...secret, ...(stamp !== undefined && { stamp }), expiresAt }, actor())
          return basicOf(name, text)
        },
      }
    },
  }
}
