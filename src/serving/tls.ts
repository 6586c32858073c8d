/** TLS from files that may change while the server runs, and Distribution's rules for client certificates. */
import { constants } from 'node:crypto'
import type { Server } from 'node:https'
import type { SecureContextOptions, TLSSocket, TlsOptions as ServerOptions } from 'node:tls'
import type { Logger } from '../lib/logger.ts'
import type { Refusal } from './refusal.ts'
import { fingerprint, readTlsFiles, sameFiles, type TlsFiles, type TlsPaths } from './tls-files.ts'
import { clientAuthOf, minimumTlsVersion, opensslCiphers, type ClientAuth } from './tls-names.ts'

export type TlsOptions = TlsPaths & {
  /** One of {@link CLIENT_AUTH}; with `clientCAs` and no rule, a verified certificate is required. */
  clientAuth?: string
  /** `tls1.2` (unless set) or `tls1.3`. */
  minimumVersion?: string
  /** Go's names; without them the suites with forward secrecy and an AEAD. */
  cipherSuites?: readonly string[]
  /** How often the files are looked at. */
  pollMs?: number
}

export type Tls = {
  serverOptions(): ServerOptions
  /** Why requests of this connection are not served, where its certificate does not do. */
  refusalOf(socket: TLSSocket): Refusal | undefined
  /**
   * Looks at the files from now on and gives new ones to the server; returns how to stop.
   * @param renew is called when other authorities count: connections that stand were judged by those before
   */
  watch(server: Server, renew: () => void): () => void
}

/** @throws ListenError naming the setting, the file and what is wrong with it. */
export async function openTls(options: TlsOptions, log: Logger): Promise<Tls> {
  const rule = clientAuthOf(options.clientAuth, (options.clientCAs ?? []).length > 0)
  const common: SecureContextOptions = {
    minVersion: minimumTlsVersion(options.minimumVersion),
    ciphers: opensslCiphers(options.cipherSuites),
    honorCipherOrder: true,
    // A resumed session would carry the verdict on a client certificate past a change of the authorities.
    ...(rule === undefined ? {} : { secureOptions: constants.SSL_OP_NO_TICKET }),
  }
  const before = await fingerprint(options)
  let files = await readTlsFiles(options)
  warnOfDates(files, log)
  return {
    serverOptions: () => ({
      ...contextOf(files, common),
      ALPNProtocols: ['http/1.1'],
      requestCert: rule !== undefined,
      // Node would drop the connection without a word; the answer to a request can say why.
      rejectUnauthorized: false,
    }),
    refusalOf: (socket) => (rule === undefined ? undefined : judge(rule, socket)),
    watch: (server, renew) =>
      poll(options, {
        log,
        seen: before,
        changed(next) {
          if (sameFiles(files, next)) return
          server.setSecureContext(contextOf(next, common))
          const { ca } = files
          files = next
          if (rule !== undefined && !sameFiles({ ...next, ca }, next)) renew()
          log.info('TLS files changed and are in use', described(files))
          warnOfDates(files, log)
        },
      }),
  }
}

function contextOf(files: TlsFiles, common: SecureContextOptions): SecureContextOptions {
  const { cert, key, ca } = files
  return { ...common, cert, key, ...(ca.length === 0 ? {} : { ca }) }
}

function described({ leaf }: TlsFiles): Record<string, unknown> {
  return { subject: leaf.subject, names: leaf.subjectAltName, expires: leaf.validTo }
}

function warnOfDates(files: TlsFiles, log: Logger): void {
  const now = Date.now()
  if (Date.parse(files.leaf.validTo) < now) log.warn('the TLS certificate has expired', described(files))
  if (Date.parse(files.leaf.validFrom) > now)
    log.warn('the TLS certificate is not valid yet', described(files))
}

/**
 * Certificate and key are two files that change one after the other: a pair that does not fit is tried again at
 * each look, complained about once it has stayed the same for one, and the pair in use stays until a good one is there.
 */
function poll(
  options: TlsOptions,
  { log, seen, changed }: { log: Logger; seen: string; changed: (files: TlsFiles) => void },
): () => void {
  let stopped = false
  let good = seen
  let last = seen
  let complained = seen
  const look = async (): Promise<void> => {
    const mark = await fingerprint(options)
    const settled = mark === last
    last = mark
    if (mark === good || mark === complained) return
    try {
      const files = await readTlsFiles(options)
      if (stopped) return
      changed(files)
      good = mark
    } catch (error) {
      if (!settled || stopped || (await fingerprint(options)) !== mark) return
      complained = mark
      log.error('the changed TLS files cannot be used; the old ones stay in use', { error })
    }
  }
  const next = (): NodeJS.Timeout =>
    setTimeout(() => {
      void look().finally(() => {
        if (!stopped) timer = next()
      })
    }, options.pollMs ?? 5_000).unref()
  let timer = next()
  return () => {
    stopped = true
    clearTimeout(timer)
  }
}

function judge(rule: ClientAuth, socket: TLSSocket): Refusal | undefined {
  if (rule === 'request-client-cert') return undefined
  const given = socket.getPeerX509Certificate() !== undefined
  if (!given) return rule === 'verify-client-cert-if-given' ? undefined : NEEDED
  return rule === 'require-any-client-cert' || socket.authorized ? undefined : UNTRUSTED
}

const NEEDED: Refusal = {
  status: 403,
  code: 'DENIED',
  message:
    'this registry asks for a client certificate; give one (docker: certs.d/<host>/client.cert and client.key)',
}
const UNTRUSTED: Refusal = {
  status: 403,
  code: 'DENIED',
  message: 'the client certificate is expired or not signed by an authority this registry trusts',
}
