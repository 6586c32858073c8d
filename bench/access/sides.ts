/** The registries that are compared: an open one, and such with rules, robots and people. */
import { basicHeader } from '../../test/lib/basic-header.ts'
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { blobOf, imageOf } from '../../test/lib/content.ts'
import { createRegistryClient, expectStatus } from '../../test/lib/registry-client.ts'
import { createExchange } from '../content/exchange.ts'
import type { Peer } from '../peers/peer.ts'
import { type Running, startPeer } from '../peers/running.ts'
import { tokenFrom } from '../peers/token.ts'

export const REPOSITORY = 'team/app'
export const PATH = `/v2/${REPOSITORY}/manifests/v1`
export const ADMINISTRATOR = { name: 'admin', password: 'of the benchmark' }

/** How much there is to look through. */
export type Size = { rules: number; robots: number }

const MAIN = new URL('../../berth.js', import.meta.url).pathname

/** @param size undefined: open to everybody */
export async function startSide(
  base: string,
  name: string,
  size: Size | undefined,
  auth: Record<string, unknown> = {},
): Promise<Running> {
  const peer: Peer = {
    name,
    version: '',
    configuration: '',
    hasTls: false,
    launch: ({ folder, port }) => {
      const file = join(folder, 'config.yml')
      const files = { [file]: JSON.stringify(configOf(folder, port, size, auth)) }
      return { command: process.execPath, args: [MAIN, 'serve', file], files }
    },
  }
  const running = await startPeer(peer, join(base, name))
  await push(running, size === undefined ? {} : { authorization: basicOf(ADMINISTRATOR) })
  if (size !== undefined && size.robots > 0) {
    addRobots(join(running.folder, 'data/berth/metadata.db'), size.robots)
    await running.restart()
  }
  return running
}

export function basicOf({ name, password }: { name: string; password: string }): string {
  return basicHeader(`${name}:${password}`)
}

function configOf(
  folder: string,
  port: number,
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
    storage: { filesystem: { rootdirectory: join(folder, 'data') } },
    http: { addr: `127.0.0.1:${port}` },
    ...auth,
    ...(size && { access: { administrator: { password: ADMINISTRATOR.password }, rules } }),
  }
}

async function push({ url }: Running, headers: Record<string, string>): Promise<void> {
  const client = createRegistryClient(url, { headers })
  const [config, layer] = [blobOf('config', 1500), blobOf('layer', 4096)]
  for (const blob of [config, layer]) expectStatus(await client.pushBlob(REPOSITORY, blob, 'post-put'), 201)
  expectStatus(await client.putManifest(REPOSITORY, 'v1', imageOf(config, [layer])), 201)
  client.close()
}

/** Rows as the commands make them, without a hundred thousand commands. */
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
export async function tokenOf({ url }: Running, authorization: string): Promise<string> {
  const exchange = createExchange(url, authorization)
  try {
    return await tokenFrom(exchange, [`repository:${REPOSITORY}:pull`])
  } finally {
    exchange.close()
  }
}

export function writeHtpasswd(folder: string, lines: readonly string[]): string {
  const file = join(folder, 'htpasswd')
  writeFileSync(file, `${lines.join('\n')}\n`)
  return file
}
