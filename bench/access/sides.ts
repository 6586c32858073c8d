/** The registries that are compared: an open one, and such with rules, robots and people. */
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { blobOf, imageOf } from '../../test/lib/content.ts'
import { createRegistryClient, expectStatus } from '../../test/lib/registry-client.ts'
import { startServer, type TestServer } from '../../test/lib/start-server.ts'
import { BenchFailure } from '../failure.ts'

export const REPOSITORY = 'team/app'
export const PATH = `/v2/${REPOSITORY}/manifests/v1`
export const ADMINISTRATOR = { name: 'admin', password: 'of the benchmark' }

/** How much there is to look through. */
export type Size = { rules: number; robots: number }

export type Side = { name: string; server: TestServer; folder: string }

/** @param size undefined: open to everybody */
export async function startSide(
  base: string,
  name: string,
  size: Size | undefined,
  auth: Record<string, unknown> = {},
): Promise<Side> {
  const folder = join(base, name.replaceAll(' ', '-'))
  mkdirSync(folder, { recursive: true })
  const config = configOf(folder, size, auth)
  let server = await startServer({ root: folder, config })
  await push(server, size === undefined ? {} : { authorization: basicOf(ADMINISTRATOR) })
  if (size !== undefined && size.robots > 0) {
    await server.stop()
    addRobots(join(folder, 'berth/metadata.db'), size.robots)
    server = await startServer({ root: folder, config })
  }
  return { name, server, folder }
}

export function basicOf({ name, password }: { name: string; password: string }): string {
  return `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`
}

function configOf(
  folder: string,
  size: Size | undefined,
  auth: Record<string, unknown>,
): Record<string, unknown> {
  const rules = Array.from({ length: size?.rules ?? 0 }, (_, index) => ({
    repositories: [index === 0 ? 'team/**' : `team-${index}/part-${index % 7}/**`],
    allow: { 'signed-in': ['pull', 'push'], 'user:somebody': ['pull'] },
  }))
  return {
    version: 0.1,
    log: { level: 'warn', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: folder } },
    http: { addr: '127.0.0.1:0' },
    ...auth,
    ...(size && { access: { administrator: { password: ADMINISTRATOR.password }, rules } }),
  }
}

async function push(server: TestServer, headers: Record<string, string>): Promise<void> {
  const client = createRegistryClient(server.url, { headers })
  const [config, layer] = [blobOf('config', 1500), blobOf('layer', 4096)]
  for (const blob of [config, layer]) expectStatus(await client.pushBlob(REPOSITORY, blob, 'post-put'), 201)
  expectStatus(await client.putManifest(REPOSITORY, 'v1', imageOf(config, [layer])), 201)
  client.close()
}

/** Rows as the commands make them, without a hundred thousand commands. No registry runs. */
function addRobots(path: string, count: number): void {
  const db = new DatabaseSync(path)
  const robot = db.prepare(
    `INSERT INTO robots (name, scopes, created_at, created_by) VALUES (?, ?, 1, 'bench') RETURNING id`,
  )
  const secret = db.prepare(
    `INSERT INTO secrets (kind, hash, hint, holder, holder_name, created_at, created_by)
     VALUES ('robot', ?, 'berth_robot_', ?, ?, 1, 'bench')`,
  )
  db.exec('BEGIN')
  for (let index = 0; index < count; index += 1) {
    const name = `bench-${index}`
    const scopes = JSON.stringify([{ repositories: `team-${index}/**`, actions: ['pull'] }])
    const { id } = robot.get(name, scopes) as { id: number }
    secret.run(createHash('sha256').update(name).digest(), `robot:${id}`, name)
  }
  db.exec('UPDATE access SET version = version + 1')
  db.exec('COMMIT')
  db.close()
}

/** A token for the repository, as docker asks for one. */
export async function tokenOf({ server }: Side, authorization: string | undefined): Promise<string> {
  const url = `${server.url}/token?service=berth&scope=repository:${REPOSITORY}:pull`
  const answer = await fetch(url, authorization === undefined ? {} : { headers: { authorization } })
  const { token } = (await answer.json()) as { token?: string }
  if (token === undefined) throw new BenchFailure(`${url} answered ${answer.status} without a token`)
  return `Bearer ${token}`
}

export function writeHtpasswd(folder: string, lines: readonly string[]): string {
  const file = join(folder, 'htpasswd')
  writeFileSync(file, `${lines.join('\n')}\n`)
  return file
}
