import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Digest } from '../oci/digest.ts'
import type { RepositoryName } from '../oci/reference.ts'
import { blobLocation, manifestLocation, nextLink, uploadLocation } from './location.ts'

const place = { repository: 'stored/name' as RepositoryName, asked: 'asked/name' as RepositoryName }
const digest = `sha256:${'a'.repeat(64)}` as Digest

test('addresses are relative to the host, and keep the prefix and the name that was asked', () => {
  assert.equal(blobLocation('', place, digest), `/v2/asked/name/blobs/${digest}`)
  assert.equal(manifestLocation('/reg', place, digest), `/reg/v2/asked/name/manifests/${digest}`)
  assert.equal(uploadLocation('/reg', place, 'id-1'), '/reg/v2/asked/name/blobs/uploads/id-1')
})

test('Link leads to the next page', () => {
  const next = { n: 5, last: 'a/b&c' }
  assert.equal(nextLink('', '_catalog', next), '</v2/_catalog?last=a%2Fb%26c&n=5>; rel="next"')
  assert.equal(
    nextLink('/reg', 'a/tags/list', { ...next, artifactType: 'x/y+json' }),
    '</reg/v2/a/tags/list?last=a%2Fb%26c&n=5&artifactType=x%2Fy%2Bjson>; rel="next"',
  )
})
