/**
 * A registry inside your own program: for tests that need one, mostly.
 *
 * ```ts
 * import { startRegistry } from 'berth'
 *
 * const registry = await startRegistry()          // in memory, on a free port of 127.0.0.1
 * console.log(registry.url)                       // http://127.0.0.1:39211
 * await registry.close()
 * ```
 */
import { loadConfig } from './config/load.ts'
import { silentLogger } from './lib/logger.ts'
import { startServer } from './server.ts'
import { readVersion } from './version.ts'

export type StartRegistryOptions = {
  /** A folder to keep the data in, made if need be. Absent: in memory, gone at `close`. */
  folder?: string
  /** Absent: a free one. */
  port?: number
  /** The address to listen on. Absent: 127.0.0.1, which only this machine reaches. */
  host?: string
  /** More settings, by the names of CNCF Distribution's environment: `{ REGISTRY_VALIDATION_MANIFESTS_SPARSE: 'all' }`. */
  settings?: Readonly<Record<string, string>>
  /**
   * Lines of the log, level `warn` and worse; with settings of `access`, also the random password of the first
   * administrator, once. Absent: nothing is written anywhere.
   */
  onLog?: (message: string, fields: Record<string, unknown>) => void
}

export type StartedRegistry = {
  /** Where it listens, without a slash at the end. */
  url: string
  /** Ends it; requests that are running are cut. Can be called again. */
  close(): Promise<void>
}

/**
 * Starts a registry that anyone who reaches it may use, unless settings of `access` or `auth` say otherwise, with deletes on.
 * @throws ConfigError for settings that are wrong; Error with what to do for a port or folder that cannot be had
 */
export async function startRegistry(options: StartRegistryOptions = {}): Promise<StartedRegistry> {
  const { folder, port = 0, host = '127.0.0.1', settings = {}, onLog } = options
  const { config } = loadConfig({
    env: {
      ...settings,
      REGISTRY_HTTP_ADDR: JSON.stringify(`${host.includes(':') ? `[${host}]` : host}:${port}`),
      ...(folder === undefined
        ? { REGISTRY_STORAGE: JSON.stringify({ inmemory: {}, delete: { enabled: true } }) }
        : { REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: JSON.stringify(folder) }),
    },
  })
  const log = onLog === undefined ? silentLogger : callingLogger(onLog)
  const say = (text: string): void => onLog?.(text.trim(), {})
  const server = await startServer({ config, version: readVersion(), log, say })
  return { url: server.url, close: () => server.close(0) }
}

function callingLogger(
  write: NonNullable<StartRegistryOptions['onLog']>,
  own: Record<string, unknown> = {},
): typeof silentLogger {
  return {
    enabled: (level) => level === 'warn' || level === 'error',
    error: (message, fields) => write(message, { ...own, ...fields }),
    warn: (message, fields) => write(message, { ...own, ...fields }),
    info: () => undefined,
    debug: () => undefined,
    with: (fields) => callingLogger(write, { ...own, ...fields }),
  }
}
