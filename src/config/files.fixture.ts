/** Files in memory and short forms for the tests of this room. */
import { type LoadedConfig, loadConfig } from './load.ts'
import { ConfigError, describeMistake } from './mistakes.ts'

export type Given = { files?: Record<string, string>; path?: string; env?: Record<string, string> }

/** Loads from `files` only; what is not there does not exist. */
export function load({ files = {}, path, env = {} }: Given): LoadedConfig {
  const readFile = (name: string) => {
    const text = files[name]
    if (text === undefined) throw Object.assign(new Error(`no ${name}`), { code: 'ENOENT' })
    return text
  }
  return loadConfig({ path, env, readFile })
}

/** Loads one file called config.yml. */
export function loadFile(text: string, env: Record<string, string> = {}): LoadedConfig {
  return load({ files: { 'config.yml': text }, path: 'config.yml', env })
}

/** The lines of the mistakes; fails where there are none. */
export function mistakesOf(action: () => unknown): string[] {
  try {
    action()
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes.map(describeMistake)
    throw error
  }
  throw new Error('there should have been a mistake')
}

/** What `registry:3` ships with, by its keys. */
export const STOCK_V3 = `version: 0.1
log:
  level: debug
  fields: { service: registry, environment: development }
storage:
  delete: { enabled: true }
  cache: { blobdescriptor: inmemory }
  filesystem:
    rootdirectory: /var/lib/registry
  maintenance:
    uploadpurging: { enabled: false }
  tag: { concurrencylimit: 8 }
http:
  addr: :5000
  debug:
    addr: :5001
    prometheus: { enabled: true, path: /metrics }
  headers:
    X-Content-Type-Options: [nosniff]
health:
  storagedriver: { enabled: true, interval: 10s, threshold: 3 }
`

/** What `registry:2` ships with, by its keys. */
export const STOCK_V2 = `version: 0.1
log:
  fields:
    service: registry
storage:
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: /var/lib/registry
http:
  addr: :5000
  headers:
    X-Content-Type-Options: [nosniff]
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
`

/** The least that a file needs. */
export const LEAST = 'version: 0.1\nstorage: filesystem\n'
