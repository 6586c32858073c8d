import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestFromBytes, digestOf, digestToBytes, isDigest, parseDigest } from './digest.ts'
import { isRepositoryName, isTag, parseReference } from './reference.ts'

const NAMES: readonly [string, boolean][] = [
  ['a', true],
  ['library/alpine', true],
  ['a/b/c/d/e', true],
  ['a-b--c/d.e/f_g/h__i', true],
  ['0/1', true],
  ['a'.repeat(255), true],
  ['a'.repeat(256), false],
  ['', false],
  ['A', false],
  ['a/B', false],
  ['/a', false],
  ['a/', false],
  ['a//b', false],
  ['a/../b', false],
  ['.', false],
  ['..', false],
  ['-a', false],
  ['a-', false],
  ['a..b', false],
  ['a___b', false],
  ['_uploads', false],
  ['a b', false],
  ['a\0b', false],
  ['a\n', false],
  ['ä', false],
  ['a:b', false],
  ['a@b', false],
]

for (const [name, good] of NAMES) {
  test(`repository ${JSON.stringify(name.slice(0, 40))}`, () => assert.equal(isRepositoryName(name), good))
}

const TAGS: readonly [string, boolean][] = [
  ['latest', true],
  ['_x', true],
  ['1.2.3-rc.1', true],
  ['A'.repeat(128), true],
  ['A'.repeat(129), false],
  ['', false],
  ['.x', false],
  ['-x', false],
  ['a/b', false],
  ['a b', false],
  ['a\n', false],
  ['é', false],
]

for (const [tag, good] of TAGS)
  test(`tag ${JSON.stringify(tag.slice(0, 40))}`, () => assert.equal(isTag(tag), good))

test('a name of 255 characters is matched in no time, good or bad', () => {
  const began = performance.now()
  for (let i = 0; i < 1000; i++) isRepositoryName(`${'a-'.repeat(127)}!`)
  assert.ok(performance.now() - began < 1000, 'the pattern backtracks')
})

test('digests: form, and bytes there and back', () => {
  for (const algorithm of ['sha256', 'sha512'] as const) {
    const digest = digestOf(algorithm, Buffer.from('x'))
    assert.ok(isDigest(digest))
    assert.equal(digestFromBytes(digestToBytes(digest)), digest)
  }
  for (const bad of [
    '',
    'sha256',
    'sha256:',
    'sha256:abc',
    `sha256:${'A'.repeat(64)}`,
    `sha256:${'a'.repeat(65)}`,
    `md5:${'a'.repeat(32)}`,
    `sha256:${'a'.repeat(64)}\n`,
    'sha256:../../x',
  ]) {
    assert.throws(() => parseDigest(bad), { code: 'DIGEST_INVALID' }, bad)
  }
})

test('with a colon it is meant as a digest', () => {
  assert.throws(() => parseReference('sha256:short'), { code: 'DIGEST_INVALID' })
  assert.throws(() => parseReference('.x'), { code: 'TAG_INVALID' })
  assert.equal(parseReference('v1').kind, 'tag')
})
