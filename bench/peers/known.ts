/** Berth and the registries that the benchmark knows how to start, each in comparable settings: no log of requests. */
import { programPath } from '../../test/lib/prerequisite.ts'
import { readVersion } from '../../src/version.ts'
import { loopDelayEnv, loopDelayFlags } from '../machine/watch-loop.ts'
import { firstLine, outputOf } from '../tools/tools.ts'
import type { Around, Launch, Peer } from './peer.ts'

const MAIN = new URL('../../berth.js', import.meta.url).pathname
/** As `npm start` has them. */
const FLAGS = ['--min-semi-space-size=4']

/** What can be switched on, and is off in all else that is measured. */
type More = { info?: boolean; accessLog?: boolean; metrics?: boolean; rules?: boolean }

const ADMINISTRATOR = { name: 'admin', password: 'of the benchmark' }

/** Ten, of which the first is the one that decides. */
const RULES = Array.from({ length: 10 }, (_, index) => ({
  repositories: [index === 0 ? 'bench/**' : `team-${index}/**`],
  allow: { 'signed-in': ['pull', 'push'], 'user:somebody': ['pull'] },
}))

/** One file for Berth and for Distribution: the same settings mean the same. */
function distributionFile(around: Around, more: More = {}): string {
  const { folder, port, tls } = around
  return JSON.stringify({
    version: 0.1,
    log: { level: more.info ? 'info' : 'error', accesslog: { disabled: more.accessLog !== true } },
    storage: {
      filesystem: { rootdirectory: `${folder}/data` },
      delete: { enabled: true },
      cache: { blobdescriptor: 'inmemory' },
    },
    http: {
      addr: `127.0.0.1:${port}`,
      secret: 'of a benchmark',
      ...(tls && { tls: { certificate: tls.certificate, key: tls.key } }),
      ...(more.metrics && { debug: { addr: '127.0.0.1:0', prometheus: { enabled: true } } }),
    },
    ...(more.rules && { access: { administrator: { password: ADMINISTRATOR.password }, rules: RULES } }),
  })
}

function fromFile(command: string, args: readonly string[], text: string, folder: string): Launch {
  const file = `${folder}/config.yml`
  return { command, args: [...args, file], files: { [file]: text } }
}

function berth(name: string, more: More = {}): Peer {
  const configuration = [
    more.accessLog ? 'access log to a file' : 'no access log',
    ...(more.info ? ['level info: a second line for each request'] : []),
    ...(more.metrics ? ['metrics on a debug port'] : []),
    ...(more.rules ? [`${RULES.length} rules of access, requests with a token`] : []),
    'filesystem',
  ]
  return {
    name,
    version: `Berth ${readVersion()}, Node ${process.version}`,
    configuration: configuration.join(', '),
    hasTls: true,
    tellsLoopDelay: true,
    ...(more.rules && { credentials: ADMINISTRATOR }),
    launch: (around) => ({
      ...fromFile(
        process.execPath,
        [...FLAGS, ...loopDelayFlags(), MAIN, 'serve'],
        distributionFile(around, more),
        around.folder,
      ),
      env: loopDelayEnv(around.folder),
    }),
  }
}

/** Berth with both logs: shown, but what a line of the level info costs has no goal. */
export const WITH_INFO = 'berth+info'

/** Berth as it is, then with each of what can be switched on, then with all of it. */
export function ownPeers(): Peer[] {
  return [
    berth('berth'),
    berth('berth+log', { accessLog: true }),
    berth('berth+metrics', { metrics: true }),
    berth('berth+rules', { rules: true }),
    // As it is where the configuration says nothing about logs.
    berth(WITH_INFO, { info: true, accessLog: true }),
    berth('berth+all', { accessLog: true, metrics: true, rules: true }),
  ]
}

function distribution(
  name: string,
  command: string,
  version: string,
  env: Record<string, string> = {},
): Peer {
  const extra = Object.entries(env).map(([key, value]) => `, ${key}=${value}`)
  return {
    name,
    version,
    configuration: `no access log, level error, filesystem, in-memory cache of descriptors${extra.join('')}`,
    hasTls: true,
    launch: (around) => ({
      ...fromFile(command, ['serve'], distributionFile(around), around.folder),
      env: { OTEL_TRACES_EXPORTER: 'none', ...env },
    }),
  }
}

function zot(name: string, command: string, version: string, commit: boolean): Peer {
  return {
    name,
    version,
    configuration: `minimal build, level error, gc off, compat docker2s2, commit ${commit ? 'on' : 'off (does not sync)'}`,
    hasTls: true,
    launch: ({ folder, port, tls }) => {
      const file = `${folder}/config.json`
      const text = JSON.stringify({
        distSpecVersion: '1.1.1',
        storage: { rootDirectory: `${folder}/data`, gc: false, commit },
        http: {
          address: '127.0.0.1',
          port: String(port),
          compat: ['docker2s2'],
          ...(tls && { tls: { cert: tls.certificate, key: tls.key } }),
        },
        log: { level: 'error' },
      })
      return { command, args: ['serve', file], files: { [file]: text } }
    },
  }
}

/** A program called `registry` may be anything, Berth included. */
function findDistribution(program: string): { command: string; version: string } | undefined {
  const command = programPath(program)
  const said = command === undefined ? '' : firstLine(command, ['--version'])
  const version = /github\.com\/(?:distribution|docker)\/distribution\S*\s+(\S+)/.exec(said)?.[1]
  if (command === undefined || version === undefined) return undefined
  return { command, version: `Distribution ${version}${goVersion(command)}` }
}

/** The toolchain decides much: which instructions hash, how memory is collected. */
function goVersion(command: string): string {
  if (programPath('go') === undefined) return ''
  const found = /: (go[\d.]+\S*)/.exec(firstLine('go', ['version', command]))?.[1]
  return found === undefined ? '' : `, ${found}`
}

/** Berth first, then what is on the PATH. What stands with a `+` for Berth, and `+gogc800`, only run when named. */
export function knownPeers(): Peer[] {
  const peers = ownPeers()
  const today = findDistribution('registry')
  if (today !== undefined) {
    peers.push(distribution('distribution', today.command, today.version))
    peers.push(distribution('distribution+gogc800', today.command, today.version, { GOGC: '800' }))
  }
  const command = programPath('zot')
  if (command !== undefined) {
    const version = `zot ${zotVersion(command)}${goVersion(command)}`
    peers.push(zot('zot+commit', command, version, true), zot('zot', command, version, false))
  }
  const old = findDistribution('docker-registry')
  if (old !== undefined) peers.push(distribution('docker-registry', old.command, old.version))
  return peers
}

/** Its own word is empty where it was not built by its Makefile: then the revision that Go noted. */
function zotVersion(command: string): string {
  const said = /"commit":"([^"]+)"/.exec(firstLine(command, ['--version']))?.[1]
  if (said !== undefined) return said
  const noted = programPath('go') === undefined ? '' : outputOf('go', ['version', '-m', command])
  const revision = /vcs\.revision=(\w{8})/.exec(noted)?.[1]
  const day = /vcs\.time=([\d-]{10})/.exec(noted)?.[1]
  return revision === undefined ? 'of unknown version' : `${revision} of ${day}`
}

const ON_REQUEST = /^berth\+|\+gogc/
/** A quick run has no time for more. */
const QUICK: ReadonlySet<string> = new Set(['berth', 'distribution', 'zot+commit'])

export function defaultPeers(peers: readonly Peer[], isQuick: boolean): Peer[] {
  return peers.filter(({ name }) => (isQuick ? QUICK.has(name) : !ON_REQUEST.test(name)))
}
