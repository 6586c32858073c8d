/** What stands after `--from`: a folder, or another registry's address. */
import { statSync } from 'node:fs'
import { isAbsolute, resolve } from 'node:path'
import { credentialsOf, dockerCredentials } from './credentials.ts'
import { createFolderSource } from './folder.ts'
import { createRegistrySource } from './registry.ts'
import { type Source, SourceError } from './source.ts'

const HOST = /^(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?(?:\/[a-z0-9._/-]*)?$/i
/** As other clients do: no TLS with this machine itself. */
const LOCAL = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::|\/|$)/i

/**
 * `http(s)://[user:password@]host[:port][/prefix]`, `host[:port][/prefix]` (https, but for this machine), or a folder.
 * @param env where `DOCKER_CONFIG` stands
 * @throws SourceError
 */
export function parseSource(text: string, env: NodeJS.ProcessEnv): Source {
  const isUrl = /^https?:\/\//i.test(text)
  if (!isUrl && isFolder(text)) return createFolderSource(resolve(text), text)
  if (!isUrl && !HOST.test(text)) throw new SourceError(`${text} is no folder, and no address of a registry`)
  const url = URL.parse(isUrl ? text : `${LOCAL.test(text) ? 'http' : 'https'}://${text}`)
  if (url === null || url.search !== '' || url.hash !== '')
    throw new SourceError('this is no address of a registry: http(s)://host[:port][/prefix]')
  const prefix = url.pathname.replace(/^\/+|\/+$/g, '')
  return createRegistrySource({
    origin: url.origin,
    prefix: prefix === '' ? '' : `${prefix}/`,
    credentials: credentialsOf(url) ?? dockerCredentials(url.host, env),
  })
}

function isFolder(text: string): boolean {
  if (isAbsolute(text) || /^\.{1,2}(?:[/\\]|$)/.test(text)) return true
  return statSync(text, { throwIfNoEntry: false })?.isDirectory() === true
}
