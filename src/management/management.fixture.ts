/** A whole registry in memory with accounts, and a client of its API. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request as send, type IncomingHttpHeaders } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfig } from '../config/load.ts'
import { createLogger } from '../serving/log.ts'
import { startServer } from '../server.ts'

export type Reply = {
  status: number
  headers: IncomingHttpHeaders
  text: string
  /** Of JSON. */
  body: Json
}
// oxlint-disable-next-line typescript/no-explicit-any -- what came is looked at, not relied on
export type Json = any

export type Ask = {
  /** Signs in with Basic: a name of {@link PASSWORDS}, or `name:secret`. */
  as?: string
  /** JSON, or text that is sent as it is. */
  json?: unknown
  raw?: string | Uint8Array
  headers?: Readonly<Record<string, string>>
}

export type Managed = {
  url: string
  port: number
  /** @param line method and path below `/api/v1`, or from `/` where it begins with `//` */
  ask(line: string, ask?: Ask): Promise<Reply>
  /** All that was logged. */
  log(): string
}

export const PASSWORDS: Readonly<Record<string, string>> = {
  admin: 'admin-password',
  alice: 'alice-password',
  bob: 'bob-password',
  carol: 'carol-password',
}

/** Alice has team-a in hand, Bob team-b; Carol is a user like others. */
export const TWO_TENANTS = {
  anonymous: [],
  administrator: { name: 'admin', password: PASSWORDS['admin'] },
  groups: { 'b-people': ['robot:grouped'] },
  rules: [
    { repositories: ['team-a/**'], allow: { 'user:alice': ['admin'], 'user:carol': ['pull'] } },
    { repositories: ['team-b/**'], allow: { 'user:bob': ['admin'], 'robot:named': ['pull', 'push'] } },
  ],
}

/** Where what a test opened is closed: a test's context. */
export type Ending = { after(close: () => Promise<void>): void }

export async function startManaged(
  t: Ending,
  settings: Record<string, unknown> = { access: TWO_TENANTS },
): Promise<Managed> {
  const folder = mkdtempSync(join(tmpdir(), 'berth-management-'))
  const path = join(folder, 'config.yml')
  const { http = {}, ...others } = settings
  writeFileSync(
    path,
    JSON.stringify({
      version: 0.1,
      storage: { inmemory: {}, delete: { enabled: true } },
      http: { addr: '127.0.0.1:0', ...(http as object) },
      ...others,
    }),
  )
  const load = () => loadConfig({ path, env: {} })
  const loaded = load()
  const { config } = loaded
  let lines = ''
  const write = (text: string): void => void (lines += text)
  const log = createLogger({ level: 'debug', formatter: 'text', fields: {}, terminal: false, write })
  const server = await startServer({
    config,
    version: '1.2.3',
    log,
    say: write,
    reloadable: { ...loaded, load },
  })
  const agent = new Agent({ keepAlive: true })
  t.after(async () => {
    agent.destroy()
    await server.close(0)
    rmSync(folder, { recursive: true, force: true })
  })
  const port = Number(new URL(server.url).port)
  return { url: server.url, port, log: () => lines, ask: (line, ask) => exchange({ port, agent }, line, ask) }
}

function exchange(
  { port, agent }: { port: number; agent: Agent },
  line: string,
  { as, json, raw, headers = {} }: Ask = {},
): Promise<Reply> {
  const [method = '', target = ''] = line.split(/ (.*)/s)
  const body = json === undefined ? raw : JSON.stringify(json)
  const all = {
    ...(as !== undefined && { authorization: basic(as) }),
    ...(body !== undefined && { 'content-type': 'application/json' }),
    ...(body !== undefined &&
      !('transfer-encoding' in headers) && { 'content-length': `${Buffer.byteLength(body)}` }),
    ...headers,
  }
  const path = target.startsWith('//') ? target.slice(1) : `/api/v1${target}`
  return new Promise((resolve, reject) => {
    const request = send({ host: '127.0.0.1', port, agent, method, path, headers: all, timeout: 20_000 })
    request.on('timeout', () => request.destroy(new Error(`no answer: ${line}`)))
    request.on('error', reject)
    request.on('response', (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(parts).toString()
        const isJson = /json/.test(response.headers['content-type'] ?? '') && text !== ''
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text,
          body: isJson ? (JSON.parse(text) as Json) : undefined,
        })
      })
    })
    request.end(body)
  })
}

export function basic(as: string): string {
  const pair = as.includes(':') ? as : `${as}:${PASSWORDS[as] ?? ''}`
  return `Basic ${Buffer.from(pair).toString('base64')}`
}

/** @throws what came instead */
export async function made({ ask }: Managed, line: string, how: Ask, status = 201): Promise<Json> {
  const reply = await ask(line, how)
  if (reply.status !== status) throw new Error(`${line}: ${reply.status} ${reply.text}`)
  return reply.body
}

/** Alice, Bob and Carol, each tenant with a robot, and a rule in the database. */
export async function populate(registry: Managed): Promise<void> {
  for (const name of ['alice', 'bob', 'carol'])
    await made(registry, 'POST /users', { as: 'admin', json: { name, password: PASSWORDS[name] } })
  for (const [who, tenant] of [
    ['alice', 'a'],
    ['bob', 'b'],
  ] as const) {
    const scopes = [{ repositories: `team-${tenant}/**`, actions: ['pull', 'push'] }]
    await made(registry, 'POST /robots', { as: who, json: { name: `ci-${tenant}`, scopes } })
    const allow = { [`user:${who}`]: ['admin'], 'user:carol': ['pull'] }
    const headers = { 'if-none-match': '*' }
    await made(registry, `PUT /rules/team-${tenant}/sub/**`, { as: who, json: { allow }, headers }, 200)
  }
}

/** One for all tests of a file, which leave alone what others of them need. */
export function shareManaged(hooks: {
  before(work: () => Promise<void>): void
  after(work: () => Promise<void>): void
}): () => Managed {
  const closers: (() => Promise<void>)[] = []
  let registry: Managed | undefined
  hooks.before(async () => {
    registry = await startManaged({ after: (close) => void closers.push(close) })
    await populate(registry)
  })
  hooks.after(async () => {
    for (const close of closers) await close()
  })
  return () => registry as Managed
}
