/** Part of the composition: what each room is told of the configuration. */
import type { Config } from './config/schema.ts'
import type { ScrubRules } from './jobs/scrub.ts'
import type { HostedRules } from './registry/hosted-parts.ts'
import type { ListenAddress } from './serving/listener.ts'
import type { TlsOptions } from './serving/tls.ts'

export function rulesOf(config: Config): HostedRules {
  const { validation, storage, trash } = config
  const { urls, indexes, sparse, maxreferences } = validation.manifests
  const requiredPlatforms =
    !validation.enabled || indexes.platforms === 'none'
      ? []
      : indexes.platforms === 'all'
        ? 'all'
        : indexes.platformlist.map(({ os, architecture }) => `${os}/${architecture}`)
  return {
    deletes: storage.delete.enabled,
    readOnly: storage.maintenance.readonly.enabled,
    keepMs: trash.keep,
    maxReferences: maxreferences,
    sparse,
    requiredPlatforms,
    urls: validation.enabled
      ? { allow: urls.allow.map((text) => new RegExp(text)), deny: urls.deny.map((text) => new RegExp(text)) }
      : { allow: [], deny: [] },
  }
}

/** What stands before every path, without a slash at its end: '' or e.g. `/registry`. */
export function prefixOf({ http }: Pick<Config, 'http'>): string {
  return http.prefix.replace(/\/+$/, '')
}

/** `:5000`, `127.0.0.1:5000`, `[::1]:5000`, or the path of a socket. */
export function addressOf({ addr, net }: { addr: string; net: 'tcp' | 'unix' }): ListenAddress {
  if (net === 'unix') return { socketPath: addr }
  const colon = addr.lastIndexOf(':')
  const host = addr.slice(0, colon).replace(/^\[|\]$/g, '')
  return { port: Number(addr.slice(colon + 1)), ...(host !== '' && { host }) }
}

export function tlsOf({ tls }: Config['http']): TlsOptions | undefined {
  const { certificate, key, clientcas, clientauth, minimumtls, ciphersuites } = tls
  if (!certificate || !key) return undefined
  return {
    certificate,
    key,
    clientCAs: clientcas,
    minimumVersion: minimumtls,
    cipherSuites: ciphersuites,
    ...(clientauth !== undefined && { clientAuth: clientauth }),
  }
}

export function scrubOf({ scrub }: Config): { scrub?: ScrubRules } {
  const { enabled, age, rate } = scrub
  return enabled ? { scrub: { ageMs: age, bytesPerSecond: rate * 1024 * 1024 } } : {}
}
