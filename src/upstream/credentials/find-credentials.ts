/** Looks for credentials where `docker login`, `podman login` and `skopeo login` leave them. */
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { HUB } from '../address.ts'
import { type Credentials, CredentialsError } from './credentials.ts'
import { askHelper } from './helper.ts'

type Entry = { auth?: unknown; identitytoken?: unknown; registrytoken?: unknown }
type File = {
  auths?: Record<string, Entry | null | undefined>
  credHelpers?: Record<string, unknown>
  credsStore?: unknown
}

/** Docker's own name for the Hub's credentials. */
const HUB_KEY = 'https://index.docker.io/v1/'

/**
 * The first that is there, of `REGISTRY_AUTH_FILE`, podman's auth.json and Docker's config.json (`DOCKER_CONFIG`).
 * @param host with its port
 * @throws CredentialsError
 */
export async function findCredentials(
  host: string,
  repository: string,
  env: NodeJS.ProcessEnv,
): Promise<Credentials | undefined> {
  for (const { path, isNamed } of places(env)) {
    const file = await readCredentialsFile(path, isNamed)
    const found = file && (await credentialsIn(file, path, host, repository, env))
    if (found !== undefined) return found
  }
  return undefined
}

/** containers-auth.json(5), and Docker's after it. */
function places(env: NodeJS.ProcessEnv): { path: string; isNamed: boolean }[] {
  const home = env['HOME'] ?? homedir()
  const named = env['REGISTRY_AUTH_FILE']
  const podman =
    named === undefined || named === ''
      ? [
          ...(env['XDG_RUNTIME_DIR'] ? [join(env['XDG_RUNTIME_DIR'], 'containers', 'auth.json')] : []),
          join(env['XDG_CONFIG_HOME'] || join(home, '.config'), 'containers', 'auth.json'),
        ].map((path) => ({ path, isNamed: false }))
      : [{ path: named, isNamed: true }]
  return [
    ...podman,
    { path: join(env['DOCKER_CONFIG'] || join(home, '.docker'), 'config.json'), isNamed: false },
  ]
}

async function readCredentialsFile(path: string, isNamed: boolean): Promise<File | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (!isNamed && (code === 'ENOENT' || code === 'ENOTDIR')) return undefined
    throw new CredentialsError(`the credentials in ${path} cannot be read (${code})`)
  }
  try {
    const file: unknown = text.trim() === '' ? {} : JSON.parse(text)
    if (typeof file === 'object' && file !== null && !Array.isArray(file)) return file
  } catch {
    // told below
  }
  throw new CredentialsError(`${path} is no JSON object: mend it, or remove it and sign in again`)
}

async function credentialsIn(
  file: File,
  path: string,
  host: string,
  repository: string,
  env: NodeJS.ProcessEnv,
): Promise<Credentials | undefined> {
  const key = HUB.has(host) ? HUB_KEY : host
  const helper = file.credHelpers?.[host] ?? file.credHelpers?.[key] ?? file.credsStore
  if (typeof helper === 'string' && helper !== '') {
    const found = await askHelper(helper, key, env)
    if (found !== undefined) return found
  }
  for (const name of keysFor(host, repository)) {
    const entry = file.auths?.[name]
    const found = entry ? credentialsOf(entry, path, name) : undefined
    if (found !== undefined) return found
  }
  return undefined
}

/** podman's names may go down to a repository; the nearest counts. Docker's may have a scheme. */
function keysFor(host: string, repository: string): string[] {
  const parts = repository.split('/')
  const below = parts.map((_, index) => `${host}/${parts.slice(0, parts.length - index).join('/')}`)
  const hub = HUB.has(host) ? [HUB_KEY, ...HUB] : []
  return [
    ...below,
    host,
    ...hub,
    ...['https', 'http'].flatMap((scheme) =>
      ['', '/', '/v1/', '/v2/'].map((end) => `${scheme}://${host}${end}`),
    ),
  ]
}

function credentialsOf(entry: Entry, path: string, name: string): Credentials | undefined {
  const { auth, identitytoken, registrytoken } = entry
  const from = `the token of ${name} in ${path}`
  if (typeof registrytoken === 'string' && registrytoken !== '') {
    if (!/^[\x21-\x7e]+$/.test(registrytoken))
      throw new CredentialsError(`${path}: "registrytoken" of ${name} is no token`)
    return { kind: 'registry-token', token: registrytoken, from }
  }
  if (typeof identitytoken === 'string' && identitytoken !== '')
    return { kind: 'identity-token', token: identitytoken, from }
  if (typeof auth !== 'string' || auth === '') return undefined
  const text = Buffer.from(auth, 'base64').toString()
  const colon = text.indexOf(':')
  if (colon <= 0) throw new CredentialsError(`${path}: "auth" of ${name} is not NAME:PASSWORD in base64`)
  const username = text.slice(0, colon)
  return {
    kind: 'password',
    username,
    // Docker has written passwords with a null byte at their end.
    password: text.slice(colon + 1).replace(/\0+$/, ''),
    from: `the password of ${username} in ${path}`,
  }
}
