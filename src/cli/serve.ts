/** `berth serve [config.yml]`: the registry itself. */
import { loadConfig, type LoadedConfig } from '../config/load.ts'
import { ConfigError } from '../config/mistakes.ts'
import type { Logger } from '../lib/logger.ts'
import { SettingError } from '../lib/setting-error.ts'
import { DatabaseRefusedError } from '../metadata/database.ts'
import { type Reloadable, type RunningServer, startServer } from '../server.ts'
import { createAccessLog, noAccessLog } from '../serving/access-log.ts'
import { ListenError } from '../serving/listen-error.ts'
import { createLineWriter } from '../serving/line-writer.ts'
import { createLogger } from '../serving/log.ts'
import { readVersion } from '../version.ts'
import type { Command, Io } from './command.ts'

const help = `Usage: berth serve [CONFIG]

Starts the registry. CONFIG is a configuration file of CNCF Distribution (registry:2 and registry:3), which may also
have Berth's own settings. Without it, REGISTRY_CONFIGURATION_PATH names the file; without that, the registry
listens on port 5000, keeps its data in ./data and lets anyone pull, push and delete.

Every setting can also come from the environment, e.g. REGISTRY_HTTP_ADDR=:8080 or
REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=/srv/registry. "berth config show" prints what holds.

With an "access" section, or REGISTRY_ACCESS_ENABLED=true, people and programs sign in, and rules say who may do what:
the first start prints the password of an administrator, and "berth user", "robot" and "access" do the rest. Rules, groups
and administrators of "access" in the file are read again when the file changes, and at once on SIGHUP.

Ends on SIGTERM and SIGINT, after the requests that are running (http.draintimeout). A second signal ends it at once.
`

export const command: Command = {
  name: 'serve',
  summary: 'start the registry',
  help,
  async run(args, io) {
    const [path, ...rest] = args
    if (rest.length > 0 || path?.startsWith('-')) {
      io.stderr.write(
        `berth serve: takes at most one argument, the configuration file. See "berth serve --help".\n`,
      )
      return 2
    }
    const load = (): LoadedConfig => loadConfig({ path, env: io.env })
    let loaded: LoadedConfig
    try {
      loaded = load()
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      io.stderr.write(`berth: the configuration is wrong\n${error.message}\n`)
      return 1
    }
    return serve({ ...loaded, load }, io)
  },
}

/** Why a registry does not start; each says what to do. */
const REASONS = [DatabaseRefusedError, ListenError, SettingError]

async function serve(loaded: Reloadable & LoadedConfig, io: Io): Promise<number> {
  const { config } = loaded
  // Whoever read the log may end (`| head`, a log collector that restarts): no reason for a registry to end too.
  for (const stream of [io.stderr, io.stdout]) stream.on('error', () => undefined)
  const lines = createLineWriter({ write: (text) => void io.stderr.write(text) })
  const log = createLogger({
    level: config.log.level,
    formatter: config.log.formatter,
    fields: config.log.fields as Record<string, unknown>,
    terminal: (io.stderr as { isTTY?: boolean }).isTTY === true,
    write: lines.write,
  })
  const accessLog = config.log.accesslog.disabled
    ? noAccessLog
    : createAccessLog({ write: (text) => void io.stdout.write(text) })
  for (const note of loaded.notes) log.info(note)
  for (const warning of loaded.warnings) log.warn(warning)
  let server: RunningServer
  try {
    server = await startServer({
      ...{ config, version: readVersion(), log, accessLog },
      reloadable: loaded,
      say: (text) => void io.stderr.write(text),
    })
  } catch (error) {
    if (!REASONS.some((kind) => error instanceof kind) || !(error instanceof Error)) throw error
    log.error(`cannot start: ${error.message}`)
    lines.flush()
    return 1
  }
  sayHello(server, loaded, log)
  // Without anything to read again, it ends the process, as when its terminal is closed.
  if (server.reload !== undefined) process.on('SIGHUP', server.reload)
  // Without a listener Node.js would open its debugger, to whoever reaches the port of that.
  process.on('SIGUSR1', passOver)
  await untilToldToEnd(server, log)
  process.off('SIGUSR1', passOver)
  if (server.reload !== undefined) process.off('SIGHUP', server.reload)
  accessLog.flush()
  lines.flush()
  return 0
}

const passOver = (): void => undefined

function sayHello(server: RunningServer, { config, file }: LoadedConfig, log: Logger): void {
  const host = (config.http.host ?? server.url).replace(/^https?:\/\//, '')
  const data = server.dataFolder === undefined ? 'in memory, gone at the end' : `in ${server.dataFolder}`
  log.info(
    `Berth ${readVersion()} listening on ${server.url}, data ${data}${file === undefined ? '' : `, configured by ${file}`}`,
  )
  if (config.storage.maintenance.readonly.enabled) {
    log.info(`${server.welcome}. Read-only: nothing can be pushed or deleted`)
    return
  }
  log.info(server.welcome)
  if (config.http.net === 'tcp' || config.http.host !== undefined) {
    const login = server.mode === 'open' ? '' : `docker login ${host} && `
    log.info(`next: ${login}docker tag IMAGE ${host}/IMAGE && docker push ${host}/IMAGE`)
  }
}

/** SIGTERM and SIGINT end it after the running requests; a second one cuts them. */
function untilToldToEnd(server: RunningServer, log: Logger): Promise<void> {
  return new Promise((resolve, reject) => {
    let signals = 0
    let first = 0
    const end = (signal: NodeJS.Signals): void => {
      // One Ctrl-C reaches the process twice where something that starts it passes signals on.
      if (signals > 0 && performance.now() - first < 500) return
      if (signals === 0) first = performance.now()
      signals++
      log.info(signals === 1 ? `${signal}: finishing the running requests` : `${signal} again: ending now`)
      server.close(signals === 1 ? undefined : 0).then(() => {
        process.off('SIGTERM', end)
        process.off('SIGINT', end)
        log.info('ended')
        resolve()
      }, reject)
    }
    process.on('SIGTERM', end)
    process.on('SIGINT', end)
  })
}
