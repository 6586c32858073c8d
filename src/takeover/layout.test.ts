import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName, Tag } from '../oci/reference.ts'
import {
  blobPath,
  currentLinkPath,
  indexLinkPath,
  isTemporaryName,
  layerLinkPath,
  parseLinkText,
  revisionLinkPath,
} from './layout.ts'

const HEX = 'ab'.repeat(32)
const DIGEST = `sha256:${HEX}` as Digest
const LONG = `sha512:${'cd'.repeat(64)}` as Digest
const NAME = 'team/app' as RepositoryName
const TAG = '1.0' as Tag

test('paths are those of Distribution', () => {
  const root = 'docker/registry/v2'
  assert.equal(blobPath(DIGEST), `${root}/blobs/sha256/ab/${HEX}/data`)
  assert.equal(blobPath(LONG), `${root}/blobs/sha512/cd/${'cd'.repeat(64)}/data`)
  assert.equal(layerLinkPath(NAME, DIGEST), `${root}/repositories/team/app/_layers/sha256/${HEX}/link`)
  const manifests = `${root}/repositories/team/app/_manifests`
  assert.equal(revisionLinkPath(NAME, DIGEST), `${manifests}/revisions/sha256/${HEX}/link`)
  assert.equal(currentLinkPath(NAME, TAG), `${manifests}/tags/1.0/current/link`)
  assert.equal(indexLinkPath(NAME, TAG, DIGEST), `${manifests}/tags/1.0/index/sha256/${HEX}/link`)
})

test('what a link holds', () => {
  const table: [string, Digest | undefined][] = [
    [DIGEST, DIGEST],
    [LONG, LONG],
    [`${DIGEST}\n`, DIGEST],
    [` ${DIGEST}\r\n`, DIGEST],
    ['', undefined],
    [HEX, undefined],
    [`${DIGEST}${DIGEST}`, undefined],
    [`sha256:${HEX.toUpperCase()}`, undefined],
    [`sha384:${'ab'.repeat(48)}`, undefined],
  ]
  for (const [text, digest] of table) assert.equal(parseLinkText(text), digest, JSON.stringify(text))
})

test('names of writes that were cut off', () => {
  assert.ok(isTemporaryName('link.0190f3f0-7a1e-7c2b-8a55-0123456789ab.tmp'))
  assert.ok(isTemporaryName('data.2f1c3a9e-1111-4222-8333-444455556666.tmp'))
  for (const name of ['link', 'data', 'link.tmp', '.tmp', 'tmp']) assert.ok(!isTemporaryName(name), name)
})
