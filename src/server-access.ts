/** Part of the composition: who may come in, and what they may do there. */
import type { IncomingMessage } from 'node:http'
import { createOpenGate, type Gate } from './auth/authenticate.ts'
import type { GuessFigures } from './auth/guess-guard.ts'
import type { Guard } from './auth/permission.ts'
import type { TokenEnd } from './auth/tokens/endpoint.ts'
import type { Config } from './config/schema.ts'
import type { Clock } from './lib/clock.ts'
import type { Closers } from './lib/closers.ts'
import type { Logger } from './lib/logger.ts'
import type { ManagementOptions } from './management/endpoint.ts'
import type { Metadata } from './metadata/open-metadata.ts'
import type { AuditParts } from './server-audit.ts'
import { openAccessInFile, type Reloadable } from './server-reload.ts'
import { prefixOf } from './server-rules.ts'
import type { Endpoint } from './serving/endpoint.ts'

/**
 * `open`: everyone may do everything. `issuer`: another server's tokens say who may do what. `accounts`: who signs in
 * may do everything. `access`: rules decide.
 */
export type AccessMode = 'open' | 'issuer' | 'accounts' | 'access'

export type AccessParts = {
  mode: AccessMode
  gate: Gate
  /** Absent: everyone may do everything. */
  guard?: Guard
  audit: AuditParts
  /** `/token` */
  token?: Endpoint
  /** What the management API is given. Absent: nobody signs in here. */
  management?: Pick<ManagementOptions, 'signIn' | 'own'>
  /** How often passwords were guessed. Absent: nobody signs in here. */
  guesses?: GuessFigures
  /** Reads what the configuration file says of access again. */
  reload?: () => void
  /** Said at the start: who may do what. */
  welcome: string
}

export type AccessOptions = {
  config: Config
  /** Absent: the configuration is from no file, or does not change. */
  reloadable: Reloadable | undefined
  metadata: Pick<Metadata, 'db'>
  clock: Clock
  log: Logger
  /** Is given what is shown once and stands in no log. */
  say: (text: string) => void
  addressOf: (request: IncomingMessage) => string
  requestIdOf: (request: IncomingMessage) => string
  tokenTold: (request: IncomingMessage, end: TokenEnd) => void
  /** Before the token service knows who asks. @throws RegistryError TOOMANYREQUESTS */
  limitToken?: ((request: IncomingMessage) => void) | undefined
  closers: Closers
}

function accessModeOf({ auth, access }: Pick<Config, 'auth' | 'access'>): AccessMode {
  const { htpasswd, token, ldap, workloads, certificates } = auth
  if (access?.enabled === true) return 'access'
  if (token !== undefined) return 'issuer'
  const isAsked = [htpasswd, ldap, certificates].some((part) => part !== undefined) || workloads.length > 0
  return isAsked ? 'accounts' : 'open'
}

/** @throws SettingError: what is configured and cannot be used; it is never left out */
export async function openAccess(options: AccessOptions): Promise<AccessParts> {
  const mode = accessModeOf(options.config)
  const audit = await openRecord(options)
  switch (mode) {
    case 'open':
      watchForAccess(options)
      return { ...openToAll(options.config), audit }
    case 'issuer':
      watchForAccess(options)
      return { ...(await openIssuer(options)), audit }
    case 'accounts':
    case 'access': {
      const { openSigningIn } = await import('./server-access-signing-in.ts')
      return { ...(await openSigningIn(mode, audit.audit, options)), audit }
    }
  }
}

/** Who writes `access` into the file of a registry that runs without must be told that it is not in force yet. */
function watchForAccess({ config, reloadable, log, closers }: AccessOptions): void {
  const inFile = openAccessInFile({ config, reloadable, log })
  closers.push(async () => inFile.close())
}

async function openRecord({ config, metadata, clock, log, closers }: AccessOptions): Promise<AuditParts> {
  const { openAudit } = await import('./server-audit.ts')
  return openAudit({ config, db: metadata.db, clock, log, closers })
}

function openToAll({ storage }: Config): Omit<AccessParts, 'audit'> {
  const { readonly } = storage.maintenance
  const changes = storage.delete.enabled ? 'pull, push and delete' : 'pull and push (deletes are off)'
  return {
    mode: 'open',
    gate: createOpenGate(),
    welcome: `open to everyone: whoever reaches this address can ${readonly.enabled ? 'pull' : changes}`,
  }
}

async function openIssuer({ config, clock, log }: AccessOptions): Promise<Omit<AccessParts, 'audit'>> {
  const { token: settings } = config.auth
  if (settings === undefined) throw new Error('unreachable: the mode says that there is a token section')
  const signingalgorithms = settings.signingalgorithms.filter((algorithm) => algorithm !== undefined)
  const { createExternalTokenGate, externalTokenGuard } = await import('./auth/external-token/gate.ts')
  return {
    mode: 'issuer',
    gate: await createExternalTokenGate({ settings: { ...settings, signingalgorithms }, clock, log }),
    guard: externalTokenGuard,
    welcome: `tokens of ${settings.issuer} decide who may do what; nobody may do anything without one`,
  }
}

/** Where the token service is, from `/`. */
export function tokenPathOf(config: Pick<Config, 'http'>): string {
  return `${prefixOf(config)}/token`
}
