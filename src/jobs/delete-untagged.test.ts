/** What `garbage-collect -m` deletes, while clients go on. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MEDIA_TYPE } from '../oci/descriptor.ts'
import type { Digest } from '../oci/digest.ts'
import { createFixture, imageOf, pushBlob, repository, tag } from '../registry/hosted-fixtures.ts'
import { deleteUntagged } from './delete-untagged.ts'

const A = repository('a')
const DAY = 86_400_000
const actor = { principalId: 'o', principalName: 'o', client: 'test', requestId: '', cause: 'rule' }

test('what gets a tag or an index while others are deleted stays, with both', async () => {
  const f = createFixture()
  try {
    const { registry, call } = f
    const mediaType = MEDIA_TYPE.ociManifest
    const images: { digest: Digest; bytes: Buffer }[] = []
    for (let n = 0; n < 100; n++) {
      await pushBlob(f, 'a', `config ${n}`)
      const bytes = imageOf(`config ${n}`, [])
      images.push({
        digest: (await registry.putManifest(call, A, { mediaType, bytes, tags: [] })).digest,
        bytes,
      })
    }
    f.clock.advance(2 * DAY)
    images.sort((a, b) => (a.digest < b.digest ? -1 : 1))
    const [tagged, child] = images.slice(-2) as [(typeof images)[0], (typeof images)[0]]
    let isPushed = false
    const rest = async (): Promise<void> => {
      if (isPushed) return
      isPushed = true
      await registry.putManifest(call, A, { mediaType, bytes: tagged.bytes, tags: [tag('v1')] })
      const entry = { mediaType, digest: child.digest, size: child.bytes.length }
      const index = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: [entry] }
      const bytes = Buffer.from(JSON.stringify(index))
      await registry.putManifest(call, A, { mediaType: MEDIA_TYPE.ociIndex, bytes, tags: [tag('all')] })
    }
    const { now } = f.clock
    const told: Digest[] = []
    const options = {
      keepMs: DAY,
      dryRun: false,
      actor,
      pace: { rest },
      onUntagged: (_: string, digest: Digest) => void told.push(digest),
    }
    const deleted = await deleteUntagged({ db: f.metadata.db, now }, options, new AbortController().signal)
    assert.ok(isPushed)
    for (const { digest } of [tagged, child]) await registry.getManifest(call, A, { kind: 'digest', digest })
    await registry.getManifest(call, A, { kind: 'tag', tag: tag('v1') })
    assert.deepEqual(
      told.sort(),
      images.slice(0, -2).map(({ digest }) => digest),
    )
    assert.equal(deleted, told.length)
  } finally {
    await f.close()
  }
})
