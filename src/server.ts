/** THE composition: builds every room in order, and closes them in reverse. */
import type { Config } from './config/schema.ts'
import { createDistributionHandler } from './distribution/handler.ts'
import { type CollectionFigures, createCollectionFigures } from './jobs/collection-figures.ts'
import { type Clock, systemClock } from './lib/clock.ts'
import { closeInReverse, type Closers } from './lib/closers.ts'
import type { Logger } from './lib/logger.ts'
import { createManagementEndpoint, type ManagementOptions } from './management/endpoint.ts'
import { createPullRecorder } from './metadata/pulls.ts'
import { createAuditedRegistry } from './registry/audited.ts'
import { createGuardedRegistry } from './registry/guarded.ts'
import { createHostedRegistry } from './registry/hosted.ts'
import type { HostedRules } from './registry/hosted-parts.ts'
import type { Registry } from './registry/registry.ts'
import { type AccessMode, type AccessParts, openAccess, tokenPathOf } from './server-access.ts'
import { createRefusalRecorder } from './server-audit.ts'
import { createDispatch, type Place } from './server-dispatch.ts'
import { openDebug, openHealth, withProbes } from './server-health.ts'
import { registerAccessMetrics, registerCollectionMetrics } from './server-metrics.ts'
import { createRequestObserver, type RequestObserver } from './server-observe.ts'
import { addressOf, prefixOf, rulesOf, tlsOf } from './server-rules.ts'
import { type Limits, openLimits } from './server-limits.ts'
import type { Reloadable } from './server-reload.ts'
import { startTakeover } from './server-takeover.ts'
import { startTasks } from './server-tasks.ts'
import { type AccessLog, noAccessLog } from './serving/access-log.ts'
import { createClientAddress } from './serving/client-address.ts'
import type { Health } from './serving/health.ts'
import { createListener, type Handler, type Listener } from './serving/listener.ts'
import { createMetrics, type Metrics } from './serving/metrics.ts'
import { createObserver } from './serving/observe.ts'
import { createProbes } from './serving/probes.ts'
import { openStorage, type Storage } from './storage.ts'

export type { Reloadable }

export type ServerOptions = {
  config: Config
  version: string
  log: Logger
  accessLog?: AccessLog
  /** How the configuration was loaded. Absent: it does not change. */
  reloadable?: Reloadable
  /** Is given what is shown once and stands in no log: the first administrator's password. Absent: standard error. */
  say?: (text: string) => void
}

export type RunningServer = {
  /** As clients write it, e.g. `http://localhost:5000`. */
  url: string
  mode: AccessMode
  /** Who may do what, in one line. */
  welcome: string
  /** Reads what the configuration file says of access now. Absent: nothing. */
  reload?: () => void
  /** The data folder; absent: in memory. */
  dataFolder?: string
  /** Finishes what is running, for at most `drainMs`, and gives everything back. Can be called again. */
  close(drainMs?: number): Promise<void>
}

/**
 * @throws DatabaseRefusedError, ListenError, SettingError: what is wrong and what to do; nothing is left open then
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const closers: Closers = []
  const closeAll = () => closeInReverse(closers)
  try {
    return await compose(options, closers, closeAll)
  } catch (error) {
    await closeAll()
    throw error
  }
}

async function compose(
  options: ServerOptions,
  closers: Closers,
  closeAll: () => Promise<void>,
): Promise<RunningServer> {
  const { config, log } = options
  const clock = systemClock
  const { storage, rules, whole, figures } = await openDomain(options, closers)
  const { metadata, store, dataFolder } = storage
  const metrics = await createMetrics(config.http.debug.prometheus.enabled)
  registerCollectionMetrics(metrics, figures)
  const health = openHealth({ config, store, clock, log, closers })
  const state = { isClosing: false }
  const probes = createProbes({
    health,
    notReady: () => (state.isClosing ? 'the registry is shutting down' : undefined),
  })
  const observer = observerOf(options, metrics)
  const limits = openLimits(config, clock, observer.addressOf)
  const access = await openAccess({
    config,
    reloadable: options.reloadable,
    metadata,
    clock,
    log,
    say: options.say ?? ((text) => void process.stderr.write(text)),
    addressOf: observer.addressOf,
    requestIdOf: observer.idOf,
    limitToken: limits.limitToken,
    tokenTold: (request, end) => {
      observer.tokenTold(request, end)
      limits.tokenTold?.(request, end)
    },
    closers,
  })
  registerAccessMetrics(metrics, { audit: access.audit.figures, limits, guesses: access.guesses })
  const registry = behindGuard(limits.around(recorded(whole, access)), access)
  const protocol = createProtocol(options, { registry, rules, access, limits, observer, health, clock })
  const handler = withProbes(
    probes,
    createDispatch({
      places: placesOf(options, access, { observe: observer.apiTold, limit: limits.limit }),
      protocol,
      begin: observer.begin,
      taken: observer.taken,
      arrived: (request) => ({ requestId: observer.idOf(request), address: observer.addressOf(request) }),
      prefix: prefixOf(config),
    }),
  )
  const debug = await openDebug(options, health, probes, metrics)
  if (debug !== undefined) closers.push(() => debug.close(0))
  const tls = tlsOf(config.http)
  const listener = await createListener({
    handler,
    address: addressOf(config.http),
    log,
    ...(tls && { tls }),
  })
  return running({ listener, dataFolder, access, closeAll, state, drainMs: config.http.draintimeout })
}

type Domain = { storage: Storage; rules: HostedRules; whole: Registry; figures: CollectionFigures }

/** What is stored, the verbs on it, and what is done to it in the background. */
async function openDomain(options: ServerOptions, closers: Closers): Promise<Domain> {
  const { config, log } = options
  const clock = systemClock
  const storage = await openStorage(options, closers)
  const { metadata, store } = storage
  const { db, processId, boot } = metadata
  const pulls = createPullRecorder(db, () => clock.now())
  const rules = rulesOf(config)
  const hosted = createHostedRegistry({ db, store, clock, log, pulls, processId, boot, rules })
  closers.push(async () => hosted.close())
  const whole = await withTakeover(hosted, options, storage, closers)
  const figures = createCollectionFigures()
  closers.push(startTasks({ config, metadata, store, pulls, figures, clock, log }))
  return { storage, rules, whole, figures }
}

function observerOf(
  { config, log, accessLog = noAccessLog }: ServerOptions,
  metrics: Metrics,
): RequestObserver {
  const addressOf = createClientAddress(config.http.trustedproxies)
  return createRequestObserver(createObserver({ log, accessLog, metrics, clock: systemClock, addressOf }))
}

type ProtocolParts = {
  registry: Registry
  rules: HostedRules
  access: AccessParts
  limits: Limits
  observer: RequestObserver
  health: Health
  clock: Clock
}

function createProtocol(
  { config, log }: ServerOptions,
  { registry, rules, access, limits, observer, health, clock }: ProtocolParts,
): Handler {
  const refused = createRefusalRecorder(access.audit.audit, { ...observer, clock })
  return createDistributionHandler({
    registry,
    gate: access.gate,
    log,
    limits: {
      manifestBytes: config.validation.manifests.maxbytes,
      tagsMax: config.tags.maxtags,
      catalogMax: config.catalog.maxentries,
    },
    headers: config.http.headers,
    prefix: prefixOf(config),
    readOnly: rules.readOnly,
    requestId: observer.idOf,
    addressOf: observer.addressOf,
    health: () => {
      const failing = health.failing()
      return Object.keys(failing).length === 0 ? undefined : failing
    },
    limit: limits.limit,
    observe: (event) => {
      observer.told(event)
      refused(event)
      limits.told?.(event)
    },
  })
}

/** Nothing reaches the domain's verbs past the guard. */
function behindGuard(registry: Registry, { guard }: AccessParts): Registry {
  return guard === undefined ? registry : createGuardedRegistry(registry, guard)
}

function recorded(registry: Registry, { audit }: AccessParts): Registry {
  return audit.isKept ? createAuditedRegistry(registry, audit.audit) : registry
}

function placesOf(
  { config, version, log }: ServerOptions,
  { mode, token, management }: AccessParts,
  each: Pick<ManagementOptions, 'observe' | 'limit'>,
): Place[] {
  const prefix = prefixOf(config)
  const publicUrl = config.http.host
  const api = createManagementEndpoint({ prefix, version, mode, publicUrl, log, ...each, ...management })
  return [
    ...(token === undefined ? [] : [{ path: tokenPathOf(config), endpoint: token, kind: 'token' }]),
    { path: `${prefix}/api/`, endpoint: api, kind: 'api' },
  ]
}

/** A folder of CNCF Distribution is imported before it is asked, until all of it is. */
async function withTakeover(
  hosted: Registry,
  { log }: ServerOptions,
  { metadata, dataFolder }: Pick<Storage, 'metadata' | 'dataFolder'>,
  closers: Closers,
): Promise<Registry> {
  const folder = await startTakeover({ metadata, dataFolder, log, now: () => systemClock.now() })
  if (folder === undefined) return hosted
  closers.push(() => ('takeover' in folder ? folder.takeover.close() : folder.watch.stop()))
  if (!('takeover' in folder)) return hosted
  const { createTakeoverRegistry } = await import('./takeover/takeover-registry.ts')
  return createTakeoverRegistry(hosted, folder.takeover)
}

type Running = {
  listener: Listener
  dataFolder: string | undefined
  access: Pick<AccessParts, 'mode' | 'welcome' | 'reload'>
  closeAll: () => Promise<void>
  state: { isClosing: boolean }
  drainMs: number
}

function running({
  listener,
  dataFolder,
  access,
  closeAll,
  state,
  drainMs: usualMs,
}: Running): RunningServer {
  const { mode, welcome, reload } = access
  let closed: Promise<void> | undefined
  return {
    url: listener.url,
    mode,
    welcome,
    ...(reload !== undefined && { reload }),
    ...(dataFolder !== undefined && { dataFolder }),
    close(drainMs = usualMs) {
      state.isClosing = true
      const drained = listener.close(drainMs)
      closed ??= drained.then(closeAll)
      return closed
    },
  }
}
