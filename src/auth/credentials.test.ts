import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Credentials, parseCredentials } from './credentials.ts'

const encode = (text: string | Uint8Array): string => Buffer.from(text).toString('base64')
const basic = (name: string, password: string): Credentials => ({ kind: 'basic', name, password })

const GOOD: [header: string | undefined, credentials: Credentials][] = [
  [undefined, { kind: 'none' }],
  ['', { kind: 'none' }],
  [`Basic ${encode('alice:secret')}`, basic('alice', 'secret')],
  [`basic ${encode('alice:secret')}`, basic('alice', 'secret')],
  [`BASIC  ${encode('alice:secret')} `, basic('alice', 'secret')],
  [`Basic ${encode('alice:a:b:c')}`, basic('alice', 'a:b:c')],
  [`Basic ${encode('alice:')}`, basic('alice', '')],
  [`Basic ${encode('älice:pässwörd ✓')}`, basic('älice', 'pässwörd ✓')],
  [`Basic ${encode('alice:secret').replace(/=+$/, '')}`, basic('alice', 'secret')],
  ['Bearer a.b.c', { kind: 'bearer', token: 'a.b.c' }],
  ['bearer a.b-_~+/c==', { kind: 'bearer', token: 'a.b-_~+/c==' }],
]
const BAD: [header: string, why: RegExp][] = [
  ['Basic', /must be "Basic" or "Bearer"/],
  ['Basic ', /must be "Basic" or "Bearer"/],
  ['Digest username="alice"', /must be "Basic" or "Bearer"/],
  ['Negotiate YII=', /must be "Basic" or "Bearer"/],
  ['alice:secret', /must be "Basic" or "Bearer"/],
  ['Basic a b', /must be "Basic" or "Bearer"/],
  ['Basic\tYTpi', /must be "Basic" or "Bearer"/],
  ['Basic %%%', /base64/],
  ['Basic a-_b', /base64/],
  [`Basic ${encode('alice')}`, /with a colon/],
  [`Basic ${encode(':secret')}`, /the name is empty/],
  [`Basic ${encode(Uint8Array.of(0xff, 0x3a, 0x61))}`, /UTF-8/],
  [`Basic ${encode('al\0ice:secret')}`, /control characters/],
  [`Basic ${encode('alice:sec\nret')}`, /control characters/],
  [`Basic ${encode(`${'a'.repeat(256)}:x`)}`, /the name is too long/],
  [`Basic ${encode(`a:${'x'.repeat(8193)}`)}`, /the password is too long/],
  [`Basic ${'A'.repeat(13_000)}`, /header is too long/],
  [`Bearer ${'a'.repeat(8193)}`, /the token is too long/],
  ['Bearer a,b', /characters that none can have/],
  ['Bearer ü', /characters that none can have/],
  ['Bearer =', /characters that none can have/],
]

test('what a header says', () => {
  for (const [header, credentials] of GOOD)
    assert.deepEqual(parseCredentials(header), credentials, String(header))
})

test('what a header cannot say, and why; never a part of it', () => {
  for (const [header, why] of BAD) {
    const found = parseCredentials(header)
    assert.equal(found.kind, 'malformed', header.slice(0, 40))
    if (found.kind !== 'malformed') continue
    assert.match(found.why, why)
    assert.doesNotMatch(found.why, /alice|secret/)
  }
})
