/** Part of the composition: accounts that sign in here, with rules or without. */
import { createDecider } from './auth/decide.ts'
import { ensureAdministrator } from './auth/first-administrator.ts'
import { type Challenges, createGate } from './auth/gate.ts'
import { createAccess } from './auth/rules/create-access.ts'
import { describeDefaults } from './auth/rules/describe-defaults.ts'
import type { FileAccess } from './auth/rules/rule.ts'
import { createSignedInAccess } from './auth/signed-in-access.ts'
import { createBearerTokens } from './auth/tokens/bearer.ts'
import { createTokenEndpoint } from './auth/tokens/endpoint.ts'
import { createTokenKeys } from './auth/tokens/keys.ts'
import { createSignedTokens } from './auth/tokens/signed.ts'
import type { Audit, AuditEntry } from './auth/audit.ts'
import type { Config } from './config/schema.ts'
import { type AccessOptions, type AccessParts, tokenPathOf } from './server-access.ts'
import { openAccessInFile } from './server-reload.ts'
import { openIdentities } from './server-access-identities.ts'

const MAX_CLIENT_LENGTH = 256

export async function openSigningIn(
  mode: 'accounts' | 'access',
  audit: Audit,
  options: AccessOptions,
): Promise<Omit<AccessParts, 'audit'>> {
  const { config, metadata, clock, log, closers, addressOf, requestIdOf } = options
  const { db } = metadata
  const inFile = openAccessInFile({
    ...{ config, reloadable: options.reloadable, log },
    onChange: (file, { rules }) => audit.record(fileChange(file, rules.length)),
  })
  closers.push(async () => inFile.close())
  const fileAccess = inFile.current
  const { say } = options
  const identity = await openIdentities({ config, fileAccess, db, audit, clock, log, say, closers })
  const { identities, accounts, membership, hasher, refresh, certificateOf, guesses } = identity
  const ofFile = fileAccess()
  if (ofFile !== undefined) await makeAdministrator(options, hasher, ofFile)

  const access =
    ofFile === undefined
      ? createSignedInAccess(db)
      : createAccess({ db, file: () => fileAccess() ?? ofFile, log })
  const decider = createDecider({ access, db })
  const signed = createSignedTokens({ db, keys: createTokenKeys({ db, clock }), clock })
  const gate = createGate({
    identities,
    tokens: createBearerTokens({ signed, accounts, access, clock }),
    decider,
    challenges: challengesOf(mode, config),
    certificateOf,
    askingOf: (request) => ({
      address: addressOf(request),
      client: (request.headers['user-agent'] ?? '').slice(0, MAX_CLIENT_LENGTH),
      requestId: requestIdOf(request),
    }),
  })
  const token = createTokenEndpoint({
    ...{ identities, certificateOf, signed, refresh, access, db, clock, audit, log },
    realm: realmOf(config),
    headers: config.http.headers,
    limit: options.limitToken,
    told: options.tokenTold,
  })
  return {
    mode,
    gate,
    guard: decider.guard,
    guesses: guesses.figures,
    token,
    management: {
      signIn: { db, identities, accounts, access, certificateOf, audit, now: () => clock.now() },
      own: ofFile && { hasher, membership, file: () => fileAccess() ?? ofFile },
    },
    ...(inFile.reload !== undefined && { reload: inFile.reload }),
    welcome: welcomeOf(config, ofFile, identity.sources),
  }
}

async function makeAdministrator(
  { config, reloadable, metadata, clock, log, say }: AccessOptions,
  hasher: Parameters<typeof ensureAdministrator>[0]['hasher'],
  { administrators }: FileAccess,
): Promise<void> {
  const { name, password } = config.access?.administrator ?? { name: 'admin', password: undefined }
  await ensureAdministrator({
    db: metadata.db,
    hasher,
    configured: { name, password },
    named: administrators,
    file: reloadable?.file,
    log,
    say,
    now: () => clock.now(),
  })
}

function challengesOf(mode: 'accounts' | 'access', config: Config): Challenges {
  if (mode === 'accounts') return { kind: 'basic', realm: realmOf(config) }
  return { kind: 'bearer', host: config.http.host, path: tokenPathOf(config) }
}

function realmOf({ auth }: Config): string {
  return auth.htpasswd?.realm || 'berth'
}

/** As people call the places where names are known; what is left out goes by its form. */
const PLACES: Readonly<Record<string, string>> = {
  users: 'the database',
  htpasswd: 'htpasswd',
  ldap: 'LDAP',
  workloads: 'issuers of workloads',
  certificates: 'client certificates',
}

function welcomeOf({ storage }: Config, ofFile: FileAccess | undefined, sources: readonly string[]): string {
  const known = `names are known to: ${sources.flatMap((source) => PLACES[source] ?? []).join(', ')}`
  const deletes = storage.delete.enabled ? '' : '; deletes are off'
  if (ofFile === undefined) return `who signs in may do everything, nobody else anything${deletes}; ${known}`
  const otherwise = describeDefaults(ofFile.defaults)
  return `rules decide who may do what ("berth access explain" says why); ${otherwise}${deletes}; ${known}`
}

/** Who wrote the file is not known here. */
function fileChange(file: string, rules: number): AuditEntry {
  return {
    act: 'rule',
    outcome: 'done',
    principal: { id: 'file', name: '(configuration file)' },
    target: file,
    detail: { rules },
    address: '',
    client: '',
    requestId: '',
  }
}
