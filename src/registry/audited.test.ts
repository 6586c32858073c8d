import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AuditEntry } from '../auth/audit.ts'
import { RegistryError } from '../oci/error.ts'
import { createAuditedRegistry } from './audited.ts'
import { pushImage, readBlob, repository, sha256, tag, withFixture } from './hosted-fixtures.ts'

test('pushes of manifests and deletions are recorded once they are done, and nothing else', async () => {
  await withFixture(async (fixture) => {
    const entries: AuditEntry[] = []
    const registry = createAuditedRegistry(fixture.registry, { record: (entry) => void entries.push(entry) })
    const audited = { ...fixture, registry }
    const { call } = fixture
    const a = repository('team/app')
    const tagged = await pushImage(audited, 'team/app', ['v1', 'v2'])
    const untagged = await pushImage(audited, 'team/app', [], ['other'])
    await registry.getManifest(call, a, { kind: 'tag', tag: tag('v1') })
    await readBlob(audited, 'team/app', sha256('layer'))
    await registry.deleteTag(call, a, tag('v1'))
    await registry.deleteManifest(call, a, untagged)
    await registry.deleteBlob(call, a, sha256('other'))
    await assert.rejects(registry.deleteTag(call, a, tag('v1')), RegistryError)
    assert.deepEqual(
      entries.map(({ act, outcome, target, detail }) => ({ act, outcome, target, detail })),
      [
        {
          act: 'push',
          outcome: 'done',
          target: 'team/app:v1',
          detail: { digest: tagged, tags: 'v1 v2' },
        },
        { act: 'push', outcome: 'done', target: `team/app@${untagged}`, detail: undefined },
        { act: 'delete', outcome: 'done', target: 'team/app:v1', detail: undefined },
        { act: 'delete', outcome: 'done', target: `team/app@${untagged}`, detail: undefined },
        { act: 'delete', outcome: 'done', target: `team/app@${sha256('other')}`, detail: { what: 'blob' } },
      ],
    )
    const { principal, address, client, requestId } = entries[0] as AuditEntry
    assert.deepEqual([principal.id, address, client, requestId], ['open', '192.0.2.1', 'test', 'test'])
  })
})
