/** Names and passwords for other registries: in the address, or where `docker login` keeps them in the open. */
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

export type Credentials = { username: string; password: string }

/** `Basic …` of RFC 7617. */
export function basicHeader({ username, password }: Credentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

/** Of an address with `user:password@`. */
export function credentialsOf({ username, password }: URL): Credentials | undefined {
  if (username === '') return undefined
  return { username: decodeURIComponent(username), password: decodeURIComponent(password) }
}

/**
 * What `auths` of Docker's config.json says for a host. Helpers that keep passwords elsewhere are not run.
 * @param host with its port, as it was typed at `docker login`
 */
export function dockerCredentials(host: string, env: NodeJS.ProcessEnv): Credentials | undefined {
  const path = join(env['DOCKER_CONFIG'] ?? join(homedir(), '.docker'), 'config.json')
  let auths: unknown
  try {
    auths = (JSON.parse(readFileSync(path, 'utf8')) as { auths?: unknown }).auths
  } catch {
    return undefined
  }
  if (typeof auths !== 'object' || auths === null) return undefined
  for (const key of [host, `https://${host}`, `http://${host}`, `https://${host}/v1/`]) {
    const entry = (auths as Record<string, unknown>)[key]
    const auth = typeof entry === 'object' && entry !== null ? (entry as { auth?: unknown }).auth : undefined
    if (typeof auth !== 'string') continue
    const text = Buffer.from(auth, 'base64').toString()
    const colon = text.indexOf(':')
    if (colon > 0) return { username: text.slice(0, colon), password: text.slice(colon + 1) }
  }
  return undefined
}
