/** The keys of an issuer: from a file, or asked of it by OpenID Connect Discovery 1.0. */
import { isObject } from '../../oci/manifest-fields.ts'
import { readFile } from 'node:fs/promises'
import { createLocalJWKSet, type JWTVerifyGetKey, type JSONWebKeySet } from 'jose'
import { openChangingFiles } from '../../lib/changing-files.ts'
import type { Clock } from '../../lib/clock.ts'
import { createGuardedFetch, type GuardedFetch } from '../../lib/guarded-fetch.ts'
import type { Logger } from '../../lib/logger.ts'
import { NO_SUCH_FILE } from '../../lib/mount-hints.ts'
import { SettingError } from '../../lib/setting-error.ts'
import { RegistryError } from '../../oci/error.ts'

export type IssuerKeys = {
  /** @throws RegistryError UNAVAILABLE: the issuer cannot be asked, and what it said is too old */
  current(): JWTVerifyGetKey | Promise<JWTVerifyGetKey>
  /**
   * For a token whose key is not among {@link current}; undefined: it was asked just now, and there are no others.
   * @throws RegistryError UNAVAILABLE
   */
  newer(): Promise<JWTVerifyGetKey | undefined>
}

export type KeySettings = {
  /** What the issuer is called here. */
  name: string
  issuer: string
  /** A file with its keys. */
  jwks?: string | undefined
  /** A file with certificate authorities. */
  ca?: string | undefined
  private: boolean
}

type Dependencies = { settings: KeySettings; clock: Clock; log: Logger; fetch?: GuardedFetch }

/** For so long keys are taken as they are: so late a withdrawn one stops to count. */
const FRESH_MS = 10 * 60_000
/**
 * For so long after that they are still taken where the issuer cannot be asked. Tokens live an hour at most with those
 * that people use, so in an outage none that was made before it is refused, and a key that was withdrawn, by an issuer
 * that somebody keeps from being asked, ends too.
 */
const STALE_MS = 60 * 60_000
/** It is asked no more often, whatever tokens come in. */
const RETRY_MS = 30_000
const MOST_KEYS = 100

/** @throws Error: a file cannot be read, or makes no sense */
export async function openIssuerKeys(dependencies: Dependencies): Promise<IssuerKeys> {
  const { settings, clock, log } = dependencies
  const { name, jwks, ca } = settings
  if (jwks === undefined) {
    // To be told at start, and not when the first token comes in.
    if (ca !== undefined) await readText(name, 'ca', ca)
    return createFetchedKeys(dependencies)
  }
  const files = await openChangingFiles({
    paths: [jwks],
    read: async () => readKeySet(name, jwks),
    now: () => clock.now(),
    changed: () => log.info(`auth.workloads: the keys of ${name} changed and are in use`),
    failed: (error) =>
      log.error(`auth.workloads: the keys of ${name} changed and cannot be used; the old ones stay`, {
        error,
      }),
  })
  return { current: () => files.current(), newer: async () => undefined }
}

async function readKeySet(name: string, path: string): Promise<JWTVerifyGetKey> {
  const text = await readText(name, 'jwks', path)
  const what = `auth.workloads: the keys of ${name}, ${path}`
  try {
    return keySetOf(parseJson(text, what), what)
  } catch (error) {
    throw new SettingError((error as Error).message, { cause: error })
  }
}

async function readText(name: string, key: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? NO_SUCH_FILE : (code ?? 'unknown')
    throw new SettingError(`auth.workloads: ${key} of ${name}: cannot read ${path}: ${why}`, { cause })
  }
}

function createFetchedKeys({ settings, clock, log, fetch }: Dependencies): IssuerKeys {
  const { name } = settings
  let known: { keys: JWTVerifyGetKey; at: number } | undefined
  let askedAt = -Infinity
  let failed = false
  let asking: Promise<void> | undefined

  async function ask(): Promise<void> {
    askedAt = clock.now()
    try {
      known = { keys: await fetchKeys(settings, fetch), at: askedAt }
      if (failed) log.info(`auth.workloads: ${name} can be asked for its keys again`)
      failed = false
    } catch (error) {
      // Once each time it goes away: there may be many tokens.
      if (!failed) log.error(`auth.workloads: ${name} cannot be asked for its keys`, { error })
      failed = true
    } finally {
      asking = undefined
    }
  }
  const age = (): number => (known === undefined ? Infinity : clock.now() - known.at)
  const askOnce = async (): Promise<void> => {
    if (asking === undefined && clock.now() - askedAt < RETRY_MS) return
    asking ??= ask()
    await asking
  }
  async function refreshed(): Promise<JWTVerifyGetKey> {
    await askOnce()
    if (known !== undefined && age() < FRESH_MS + STALE_MS) return known.keys
    throw unavailable(name)
  }
  return {
    current: () => (known !== undefined && age() < FRESH_MS ? known.keys : refreshed()),
    async newer() {
      const before = known?.keys
      await askOnce()
      // Its key may be one that the issuer has and we could not ask for.
      if (failed || known === undefined) throw unavailable(name)
      return known.keys === before ? undefined : known.keys
    },
  }
}

function unavailable(name: string): RegistryError {
  return new RegistryError(
    'UNAVAILABLE',
    `the issuer of this token, ${name}, cannot be asked for its keys at the moment: try again`,
    { retryAfter: RETRY_MS / 1000 },
  )
}

async function fetchKeys(settings: KeySettings, given: GuardedFetch | undefined): Promise<JWTVerifyGetKey> {
  const { name, issuer, ca } = settings
  const authorities = ca === undefined ? undefined : await readText(name, 'ca', ca)
  const fetch = given ?? createGuardedFetch({ allowPrivate: settings.private, ca: authorities })
  // OpenID Connect Discovery 1.0, section 4
  const address = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const { issuer: said, jwks_uri: uri } = objectOf(await fetchJson(fetch, address), address)
  // Section 4.3: it must be the same, letter by letter; it is what its tokens say.
  if (said !== issuer) {
    const other = typeof said === 'string' ? JSON.stringify(said.slice(0, 200)) : 'nothing'
    throw new Error(`${address} says that its issuer is ${other}: auth.workloads must have it like that`)
  }
  if (typeof uri !== 'string') throw new Error(`${address} does not say where the keys are (jwks_uri)`)
  return keySetOf(await fetchJson(fetch, uri), uri)
}

async function fetchJson(fetch: GuardedFetch, address: string): Promise<unknown> {
  return parseJson(Buffer.from(await fetch(address)).toString('utf8'), address)
}

function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new Error(`${what}: it is no JSON`, { cause })
  }
}

function objectOf(value: unknown, what: string): Record<string, unknown> {
  if (isObject(value)) return value
  throw new Error(`${what}: it is no JSON object`)
}

/** Public keys of it only: an issuer that shows a shared secret has none. */
function keySetOf(value: unknown, what: string): JWTVerifyGetKey {
  const { keys } = objectOf(value, what)
  if (!Array.isArray(keys)) throw new Error(`${what}: it is no JSON Web Key Set: it must be {"keys": [...]}`)
  if (keys.length > MOST_KEYS) throw new Error(`${what}: it has more than ${MOST_KEYS} keys`)
  const usable = (keys as ({ kty?: unknown } | null)[]).filter((key) =>
    ['RSA', 'EC', 'OKP'].includes(String(key?.kty)),
  )
  if (usable.length === 0) throw new Error(`${what}: it has no public key that could be used`)
  return createLocalJWKSet({ keys: usable } as JSONWebKeySet)
}
