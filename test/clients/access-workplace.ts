/**
 * A registry with access control as its users set it up: people in an htpasswd file, rules, and a robot made by command.
 * `team/**` belongs to the group devs (alice), `public/**` may be pulled by everybody, everyone has `{user}/**`; bob is
 * known, and in no group.
 */
import { basicHeader } from '../lib/basic-header.ts'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Ending } from '../lib/temporary.ts'
import { temporaryFolder } from '../lib/temporary.ts'
import { createRegistryClient } from '../lib/registry-client.ts'
import { createWorkplace, type Workplace } from './workplace.ts'

export const ALICE = { name: 'alice', password: 'of alice' }
export const BOB = { name: 'bob', password: 'of bob' }
const ADMIN = { name: 'admin', password: 'of the administrator' }
/** As `htpasswd -B` writes them. */
const HTPASSWD = `alice:$2y$05$5IYcf8Cnq6f6yiSsCi6C/ubMCuL/8UK7b.bUez2RAcXdlS9PQmgbS
bob:$2y$05$0WbLuzvMFSgYgavWmag65.rsk8LvJHYxgFsw/RygfKivFwDa4d.Rq
`
const MAIN = new URL('../../src/main.ts', import.meta.url).pathname
const RULES = [
  { repositories: ['team/**'], allow: { 'group:devs': ['pull', 'push', 'delete'] } },
  { repositories: ['public/**'], allow: { anonymous: ['pull'], 'group:devs': ['pull', 'push'] } },
  { repositories: ['{user}/**'], allow: { 'signed-in': ['pull', 'push'] } },
]

export type Account = { name: string; password: string }

export type AccessWorkplace = Workplace & {
  /** Makes a robot by the command beside the running server. @param may as `team/**:pull,push` */
  robot(name: string, may: string): Promise<Account>
}

/** `Authorization` of a request. */
export function basicOf({ name, password }: Account): string {
  return basicHeader(`${name}:${password}`)
}

/** What `docker login` leaves behind, and what a pull secret of Kubernetes holds. */
export function dockerConfigOf(host: string, { name, password }: Account): string {
  const auth = Buffer.from(`${name}:${password}`).toString('base64')
  return JSON.stringify({ auths: { [host]: { auth } } })
}

export async function createAccessWorkplace(
  context: Ending,
  name: string,
  options: { newer?: boolean } = {},
): Promise<AccessWorkplace> {
  const folder = temporaryFolder(context, `${name}-access`)
  const htpasswd = join(folder, 'htpasswd')
  writeFileSync(htpasswd, HTPASSWD)
  const env = {
    REGISTRY_AUTH_HTPASSWD_REALM: 'the tests',
    REGISTRY_AUTH_HTPASSWD_PATH: htpasswd,
    REGISTRY_ACCESS_ADMINISTRATOR_PASSWORD: ADMIN.password,
    REGISTRY_ACCESS_SIGNEDIN: '[]',
    REGISTRY_ACCESS_GROUPS: JSON.stringify({ devs: ['alice'] }),
    REGISTRY_ACCESS_RULES: JSON.stringify(RULES),
  }
  const workplace = await createWorkplace(context, name, { ...options, server: { env } })
  workplace.client.close()
  const client = createRegistryClient(workplace.server.url, { headers: { authorization: basicOf(ADMIN) } })
  const robot = async (robotName: string, may: string): Promise<Account> => {
    const data = join(workplace.folder, 'data')
    const ran = await workplace.run(process.execPath, [MAIN, 'robot', 'add', robotName, '--may', may], {
      env: { ...env, REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: data },
    })
    return { name: robotName, password: ran.stdout.trim() }
  }
  return { ...workplace, client, robot }
}
