import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkHost, checkOrigin } from './origin.ts'

const HOST = 'registry.example.com:5000'
const OWN = `http://${HOST}`

/** Sec-Fetch-Site, Origin, is there a cookie, is it taken. */
const REQUESTS: readonly (readonly [string | undefined, string | undefined, boolean, boolean])[] = [
  // Browsers of today, over TLS or on localhost.
  ['same-origin', OWN, true, true],
  ['same-origin', undefined, true, true],
  ['same-site', 'https://other.example.com', true, false],
  ['cross-site', 'https://evil.test', true, false],
  ['cross-site', OWN, true, false],
  ['none', undefined, true, false],
  ['', OWN, true, false],
  ['same-origin, cross-site', OWN, true, false],
  // Over plain HTTP they say Origin only.
  [undefined, OWN, true, true],
  [undefined, `https://${HOST}`, true, true],
  [undefined, 'http://REGISTRY.example.com:5000', true, true],
  [undefined, 'http://registry.example.com', true, false],
  [undefined, 'http://registry.example.com:5001', true, false],
  [undefined, 'http://evil.test', true, false],
  [undefined, `http://${HOST}.evil.test`, true, false],
  [undefined, `http://evil.test/${HOST}`, true, false],
  [undefined, `http://user@${HOST}`, true, false],
  [undefined, `${OWN}/`, true, false],
  [undefined, 'null', true, false],
  [undefined, '', true, false],
  [undefined, 'file://', true, false],
  // Old browsers, and programs that were given a cookie.
  [undefined, undefined, true, false],
  // Programs.
  [undefined, undefined, false, true],
  [undefined, OWN, false, true],
  // A page that sends the password that it knows, or a certificate that the browser has.
  [undefined, 'https://evil.test', false, false],
  ['cross-site', undefined, false, false],
]

test('a change comes from a page of this registry, or from no page at all', () => {
  for (const [fetchSite, origin, hasCookie, isTaken] of REQUESTS) {
    const check = (): void =>
      checkOrigin({ host: HOST, origin, fetchSite }, { publicUrl: undefined }, hasCookie)
    const what = JSON.stringify({ fetchSite, origin, hasCookie })
    if (isTaken) assert.doesNotThrow(check, what)
    else assert.throws(check, { code: 'CROSS_ORIGIN' }, what)
  }
})

test('behind a proxy that changes Host, the configured address is known too', () => {
  const headers = { host: '10.0.0.5:5000', origin: 'https://hub.example.com', fetchSite: undefined }
  assert.doesNotThrow(() => checkOrigin(headers, { publicUrl: 'https://hub.example.com' }, true))
  assert.throws(() => checkOrigin(headers, { publicUrl: 'https://hub.example.com:8443' }, true))
  assert.throws(() => checkOrigin({ ...headers, host: undefined }, { publicUrl: undefined }, true))
})

test('an open registry takes changes under names that nobody else can point at it', () => {
  for (const [host, isKnown] of [
    ['127.0.0.1:5000', true],
    ['192.168.1.9', true],
    ['[::1]:5000', true],
    ['[fe80::1]', true],
    ['localhost', true],
    ['localhost:5000', true],
    ['hub.example.com', true],
    ['HUB.example.com', true],
    ['evil.test', false],
    ['localhost.evil.test', false],
    ['127.0.0.1.evil.test', false],
    ['hub.example.com.evil.test', false],
    ['', false],
    ['a b', false],
    [undefined, false],
  ] as const) {
    const check = (): void => checkHost(host, { publicUrl: 'https://hub.example.com' })
    if (isKnown) assert.doesNotThrow(check, host)
    else assert.throws(check, { code: 'WRONG_HOST' }, host)
  }
})
