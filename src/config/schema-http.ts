import {
  checkAddress,
  checkCipherSuite,
  checkHeaderName,
  checkHeaderValue,
  checkPrefix,
  checkPublicUrl,
  checkTcpAddress,
  checkTrustedProxy,
  checkUrlPath,
} from './checks.ts'
import { isGiven } from './schema-log.ts'
import { choice, duration, flag, list, LONGEST_WAIT, section, table, text } from './settings.ts'
import { aside, notNeeded, refused } from './shape.ts'

const CLIENT_AUTH = [
  'request-client-cert',
  'require-any-client-cert',
  'verify-client-cert-if-given',
  'require-and-verify-client-cert',
] as const

const letsencrypt = refused(
  section('Certificates from an ACME server.', {
    cachefile: text({ doc: 'Where certificates are kept.' }),
    email: text({ doc: 'Address of the account.' }),
    hosts: list('Names to get certificates for.', text({ doc: 'A host.' })),
    directoryurl: text({ doc: 'The ACME server.' }),
  }),
  'Berth does not fetch certificates: let certbot, lego or Caddy do so, and set http.tls.certificate and ' +
    'http.tls.key (they are read again when they change)',
  isGiven,
)

const tls = section('TLS. Without a certificate, plain HTTP is spoken.', {
  certificate: text({ doc: 'File with the certificate and its chain, PEM.', type: 'path' }),
  key: text({ doc: 'File with the private key, PEM.', type: 'path' }),
  clientcas: list(
    'Files with the authorities that client certificates must come from.',
    text({ doc: 'A file, PEM.', default: '', type: 'path' }),
  ),
  clientauth: choice(CLIENT_AUTH, {
    doc: 'What is asked of clients. With `clientcas` the default is `require-and-verify-client-cert`.',
    default: undefined,
  }),
  minimumtls: choice(['tls1.2', 'tls1.3'], { doc: 'The oldest version that is spoken.', default: 'tls1.2' }),
  ciphersuites: list(
    "Suites for TLS 1.2, by the names of Go's crypto/tls. Empty: the runtime's own.",
    text({ doc: 'A suite.', default: '', check: checkCipherSuite }),
  ),
  letsencrypt,
})

const debug = section('A second port, for operators only.', {
  addr: text({ doc: 'Where it listens; absent: nowhere.', check: checkTcpAddress, type: 'address' }),
  prometheus: section('Metrics.', {
    enabled: flag({ doc: 'Serves metrics on the debug port.', default: false }),
    path: text({ doc: 'Their path.', default: '/metrics', check: checkUrlPath, type: 'path' }),
  }),
})

export const http = section('The port of the registry.', {
  addr: text({
    doc: 'Where it listens: `:5000`, `127.0.0.1:5000`, `[::1]:5000`, or a path with `net: unix`.',
    default: ':5000',
    check: checkAddress,
    type: 'address',
  }),
  net: choice(['tcp', 'unix'], { doc: 'TCP, or a Unix socket.', default: 'tcp' }),
  prefix: text({
    doc: 'The path that everything is served below.',
    default: '/',
    check: checkPrefix,
    type: 'path',
  }),
  host: text({
    doc: 'The URL that clients know the registry by, where it is not the one they ask.',
    check: checkPublicUrl,
    type: 'URL',
  }),
  secret: notNeeded(
    text({ doc: "Signs Distribution's upload state.", secret: true }),
    'uploads are rows of the database, with nothing to sign',
  ),
  trustedproxies: list(
    'Proxies whose `X-Forwarded-For` says where a request comes from: addresses, networks as `10.0.0.0/8`, or `unix` ' +
      'for whoever is at the other end of a Unix socket.',
    text({
      doc: 'An address, a network, or `unix`.',
      default: '',
      check: checkTrustedProxy,
      type: 'address or network',
    }),
  ),
  relativeurls: notNeeded(
    flag({ doc: 'Relative Location headers.', default: false }),
    'Locations are always relative, which every client and proxy understands',
  ),
  draintimeout: duration({
    doc: 'How long requests may still run when the registry is told to stop.',
    default: 8000,
    max: LONGEST_WAIT,
  }),
  tls,
  headers: table(
    'Headers of every answer below `/v2/`, each with a list of values.',
    list('Values.', text({ doc: 'A value.', default: '', check: checkHeaderValue })),
    { checkKey: checkHeaderName },
  ),
  debug,
  http2: aside(
    section('HTTP/2.', {
      disabled: notNeeded(
        flag({ doc: 'Speaks HTTP/1.1 only.', default: false }),
        'Berth always speaks HTTP/1.1 only',
      ),
    }),
  ),
  h2c: aside(
    section('HTTP/2 without TLS.', {
      enabled: refused(
        flag({ doc: 'Switches it on.', default: false }),
        'Berth speaks HTTP/1.1 only: set it to false, and let the proxy in front speak HTTP/1.1 to it',
        isGiven,
      ),
    }),
  ),
})
