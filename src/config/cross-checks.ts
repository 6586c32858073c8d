/** What can be wrong although every setting by itself is right, and values that follow from others. */
import { checkAccess } from './checks-access.ts'
import { checkIssuers } from './checks-issuers.ts'
import { checkPasswords } from './checks-passwords.ts'
import { checkTcpAddress } from './checks.ts'
import { type Mistake, mistakeAt } from './mistakes.ts'
import type { Config } from './schema.ts'
import { DRIVERS } from './schema-storage.ts'
import { Misfit } from './shape.ts'
import { describeOrigin, entry, type MapNode, type Origin, scalarAsKey } from './tree.ts'

type Given = { config: Config; root: MapNode; origins: ReadonlyMap<string, Origin> }

export function crossCheck(given: Given): Mistake[] {
  return [
    checkStorage,
    checkListener,
    checkTls,
    checkHealth,
    checkPlatforms,
    checkAccess,
    checkIssuers,
    checkPasswords,
  ].flatMap((check) => check(given))
}

function checkStorage({ root, origins }: Given): Mistake[] {
  const storage = entry(root, 'storage')
  const node = storage && scalarAsKey(storage)
  const known = DRIVERS.filter((driver) => entry(node, driver) !== undefined)
  const [first, second] = known
  if (first === undefined) {
    // An unknown name says so itself, and may well have been meant as the driver.
    const others = ['delete', 'maintenance', 'cache', 'redirect', 'tag']
    if (node?.kind === 'map' && [...node.entries.keys()].some((key) => !others.includes(key))) return []
    const message =
      'names no storage driver: add filesystem with its rootdirectory, as storage.filesystem.rootdirectory'
    return [mistakeAt(origins.get('storage'), 'storage', message)]
  }
  if (second === undefined) return []
  const places = known.map(
    (driver) => `${driver} (${describeOrigin(origins.get(`storage.${driver}`) ?? NOWHERE)})`,
  )
  const message =
    `${places.join(' and ')} are two storage drivers: keep one; REGISTRY_STORAGE=${second} in the environment ` +
    'drops what the file says about storage'
  return [mistakeAt(origins.get(`storage.${second}`), 'storage', message)]
}

const NOWHERE: Origin = { from: 'default' }

function checkListener({ config, origins }: Given): Mistake[] {
  const { net, addr } = config.http
  if (net === 'unix') {
    const isDefault = (origins.get('http.addr') ?? NOWHERE).from === 'default'
    const message = 'must be the path of the socket, because http.net is unix'
    return isDefault ? [mistakeAt(origins.get('http.net'), 'http.addr', message)] : []
  }
  try {
    checkTcpAddress(addr)
    return []
  } catch (error) {
    if (!(error instanceof Misfit)) throw error
    return [mistakeAt(origins.get('http.addr'), 'http.addr', `${error.message}, not "${addr.slice(0, 60)}"`)]
  }
}

function checkTls({ config, origins }: Given): Mistake[] {
  const { certificate, key, clientcas, clientauth, ciphersuites, minimumtls } = config.http.tls
  const mistakes: Mistake[] = []
  const say = (path: string, message: string) => mistakes.push(mistakeAt(origins.get(path), path, message))
  if (certificate !== undefined && key === undefined)
    say('http.tls.certificate', 'needs http.tls.key beside it')
  if (key !== undefined && certificate === undefined)
    say('http.tls.key', 'needs http.tls.certificate beside it')
  if (clientcas.length > 0 && certificate === undefined) {
    say(
      'http.tls.clientcas',
      'asks clients for certificates, which needs http.tls.certificate and http.tls.key',
    )
  }
  if (clientauth !== undefined && clientcas.length === 0) {
    say('http.tls.clientauth', 'needs http.tls.clientcas: without them no client would be asked')
  }
  const old = ciphersuites.filter((suite) => !/^TLS_(?:AES|CHACHA20)_/.test(suite))
  if (minimumtls === 'tls1.3' && ciphersuites.length > 0 && old.length === ciphersuites.length) {
    say(
      'http.tls.ciphersuites',
      'names suites of TLS 1.2 only, and http.tls.minimumtls is tls1.3: keep one of the two',
    )
  }
  return mistakes
}

function checkHealth({ config, origins }: Given): Mistake[] {
  const { file, http, tcp } = config.health
  const required = [
    ...file.map((check, index) => ({ list: `health.file[${index}]`, key: 'file', value: check.file })),
    ...http.map((check, index) => ({ list: `health.http[${index}]`, key: 'uri', value: check.uri })),
    ...tcp.map((check, index) => ({ list: `health.tcp[${index}]`, key: 'addr', value: check.addr })),
  ]
  return required
    .filter(({ value }) => value === '')
    .map(({ list, key }) =>
      mistakeAt(origins.get(list), `${list}.${key}`, 'must be set: it is what is checked'),
    )
}

function checkPlatforms({ config, origins }: Given): Mistake[] {
  const { platforms, platformlist } = config.validation.manifests.indexes
  const path = 'validation.manifests.indexes.platforms'
  if (platforms !== 'list' || platformlist.length > 0) return []
  return [mistakeAt(origins.get(path), path, 'is "list", which needs a platformlist beside it')]
}

/** Distribution's rule for the pair: `enabled` wins; with neither, the checks are on. */
export function settleValidation(config: Config): Config {
  const enabled = config.validation.enabled || !config.validation.disabled
  return { ...config, validation: { ...config.validation, enabled, disabled: !enabled } }
}
