/** What is read from outside, literally. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { dialledHost, isLoopback, parseAddress } from './address.ts'
import { type Challenge, parseChallenges } from './challenge.ts'
import { retryAfterMs } from './failure.ts'
import { splitLayout } from './layout/open-layout.ts'
import { platformFits } from './layout/platform.ts'
import { createChunkLimit } from './push/chunk-limit.ts'
import { createUnfinishedUploads } from './push/unfinished.ts'
import type { Digest } from '../oci/digest.ts'
import { printable } from './printable.ts'

const DIGEST = `sha256:${'a'.repeat(64)}` as Digest

test('addresses of images', () => {
  const rows: [text: string, parts: Record<string, string> | RegExp][] = [
    ['localhost:5000/app', { host: 'localhost:5000', repository: 'app', tag: 'latest' }],
    ['localhost/a/b:1.0', { host: 'localhost', repository: 'a/b', tag: '1.0' }],
    ['[::1]:5000/a:1', { host: '[::1]:5000', repository: 'a', tag: '1' }],
    [`r.example/a@${DIGEST}`, { host: 'r.example', repository: 'a', digest: DIGEST }],
    [`r.example/a:1@${DIGEST}`, { host: 'r.example', repository: 'a', tag: '1', digest: DIGEST }],
    ['docker.io/alpine:3', { host: 'docker.io', repository: 'library/alpine', tag: '3' }],
    ['docker.io/team/app', { host: 'docker.io', repository: 'team/app', tag: 'latest' }],
    ['alpine', /does not begin with a registry/],
    ['team/app:1', /does not begin with a registry/],
    ['r.example:99999/a', /does not begin with a registry/],
    ['r.example:5000', /does not begin with a registry/],
    ['r.example/', /a repository name is/],
    ['r.example/a/b/', /a repository name is/],
    ['https://r.example/a', /without "https:\/\/"/],
    [`r.example/a@${DIGEST}@${DIGEST}`, /more than one "@"/],
    ['user@r.example/a', /does not begin with a registry/],
  ]
  for (const [text, parts] of rows) {
    if (parts instanceof RegExp) assert.throws(() => parseAddress(text), parts, text)
    else assert.deepEqual({ ...parseAddress(text) }, parts)
  }
  assert.equal(dialledHost('docker.io'), 'registry-1.docker.io')
  assert.equal(dialledHost('r.example:5000'), 'r.example:5000')
  const local = ['localhost', 'localhost:5000', '127.0.0.1:1', '127.9.9.9', '[::1]', '[::1]:5000']
  assert.deepEqual(
    local.filter((host) => !isLoopback(host)),
    [],
  )
  assert.deepEqual(['localhost.example', '128.0.0.1', '[::2]', '1127.0.0.1'].filter(isLoopback), [])
})

test('challenges, as registries write them', () => {
  const bearer = (realm: string, service?: string, scope?: string): Challenge => ({
    scheme: 'bearer',
    realm,
    service,
    scope,
  })
  const rows: [header: string, found: Challenge[]][] = [
    ['Basic realm="the tests"', [{ scheme: 'basic' }]],
    ['basic', [{ scheme: 'basic' }]],
    [
      'Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push"',
      [bearer('https://auth.example/token', 'registry.example', 'repository:a/b:pull,push')],
    ],
    [
      'Bearer realm="https://a/?x=1,2" , service=plain , error="invalid_token"',
      [bearer('https://a/?x=1,2', 'plain')],
    ],
    ['Bearer realm="a\\"b"', [bearer('a"b')]],
    ['Negotiate, Basic realm="x", Bearer realm="https://a/"', [{ scheme: 'basic' }, bearer('https://a/')]],
    ['Bearer service="x"', []],
    ['', []],
    ['"', []],
  ]
  for (const [header, found] of rows) assert.deepEqual(parseChallenges(header), found, header)
})

test('Retry-After, and text from elsewhere', () => {
  const now = Date.UTC(2026, 0, 1)
  assert.equal(retryAfterMs('3', now), 3000)
  assert.equal(retryAfterMs('Thu, 01 Jan 2026 00:00:05 GMT', now), 5000)
  assert.equal(retryAfterMs('Thu, 01 Jan 2015 00:00:05 GMT', now), 0)
  assert.equal(retryAfterMs('soon', now), undefined)
  assert.equal(retryAfterMs(undefined, now), undefined)
  assert.equal(printable('a\u001b[31mb\n c\u202ed'), 'a [31mb c d')
})

test('platforms', () => {
  const fitting: [found: string | undefined, wanted: string, fits: boolean][] = [
    ['linux/arm64', 'linux/arm64', true],
    ['linux/arm64/v8', 'linux/arm64', true],
    ['linux/arm64', 'linux/arm64/v8', true],
    ['linux/arm64', 'linux/aarch64', true],
    ['linux/amd64', 'Linux/x86_64', true],
    ['linux/arm/v7', 'linux/arm', true],
    ['linux/arm/v7', 'linux/arm/v6', false],
    ['linux/arm64', 'linux/arm', false],
    ['windows/amd64', 'linux/amd64', false],
    ['unknown/unknown', 'linux/amd64', false],
    [undefined, 'linux/amd64', false],
  ]
  for (const [found, wanted, fits] of fitting)
    assert.equal(platformFits(found, wanted), fits, `${found} for ${wanted}`)
})

test('a layout and a name in it, where paths have colons too', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'berth-split-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const [plain, colon] = [join(folder, 'image'), join(folder, 'image:1')]
  for (const path of [plain, colon]) writeFileSync(path, '')
  assert.deepEqual(splitLayout(plain), { path: plain })
  assert.deepEqual(splitLayout(colon), { path: colon })
  assert.deepEqual(splitLayout(`${plain}:2`), { path: plain, name: '2' })
  assert.deepEqual(splitLayout(`${plain}:localhost:5000/a:2`), { path: plain, name: 'localhost:5000/a:2' })
  assert.deepEqual(splitLayout(`${plain}@${DIGEST}`), { path: plain, digest: DIGEST })
  assert.deepEqual(splitLayout(`${folder}/none:2`), { path: `${folder}/none:2` })
})

test('how much goes into one request', () => {
  const MIB = 1024 * 1024
  const said: number[] = []
  const limit = createChunkLimit(undefined, (bytes) => said.push(bytes))
  assert.equal(limit.now(), undefined)
  assert.equal(limit.lower(200 * MIB), 64 * MIB)
  // A second blob of the same size, which was on its way when the first one found it out.
  assert.equal(limit.lower(200 * MIB), 64 * MIB)
  assert.equal(limit.lower(64 * MIB), 16 * MIB)
  limit.atLeast(12 * MIB)
  assert.equal(limit.lower(16 * MIB), undefined)
  assert.equal(limit.now(), 16 * MIB)
  assert.deepEqual(said, [64 * MIB, 16 * MIB])
  const chosen = createChunkLimit(MIB, () => undefined)
  chosen.atLeast(5 * MIB)
  assert.equal(chosen.now(), 5 * MIB)
  // A registry that wants more at once than a proxy before it takes: nothing is left to try.
  assert.equal(chosen.lower(5 * MIB), undefined)
})

test('unfinished uploads: remembered for a registry, a repository and a digest', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'berth-unfinished-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const one = createUnfinishedUploads(join(folder, 'a'), 'http://r', 'a/b')
  assert.equal(await one.find(DIGEST), undefined)
  await one.keep(DIGEST, 'http://r/v2/a/b/blobs/uploads/1')
  assert.equal(await one.find(DIGEST), 'http://r/v2/a/b/blobs/uploads/1')
  assert.equal(await createUnfinishedUploads(join(folder, 'a'), 'http://r', 'a/c').find(DIGEST), undefined)
  assert.equal(await createUnfinishedUploads(join(folder, 'a'), 'https://r', 'a/b').find(DIGEST), undefined)
  await one.forget(DIGEST)
  assert.equal(await one.find(DIGEST), undefined)
  // Where nothing can be written it is only not remembered.
  writeFileSync(join(folder, 'file'), '')
  await createUnfinishedUploads(join(folder, 'file'), 'http://r', 'a/b').keep(DIGEST, 'x')
})
