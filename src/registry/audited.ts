/** A registry that keeps a record of what was pushed and deleted: who, what, from where. */
import type { Audit, AuditAct } from '../auth/audit.ts'
import { readsOf } from './reads.ts'
import type { Call, Registry } from './registry.ts'

/** What is refused is known further out, and recorded there. */
export function createAuditedRegistry(inner: Registry, audit: Audit): Registry {
  const done = (call: Call, act: AuditAct, target: string, detail?: Record<string, string>): void =>
    audit.record({
      act,
      outcome: 'done',
      principal: call.principal,
      target,
      ...(detail !== undefined && { detail }),
      address: call.address,
      client: call.client,
      requestId: call.requestId,
    })

  return {
    ...readsOf(inner),
    async putManifest(call, name, manifest) {
      const stored = await inner.putManifest(call, name, manifest)
      const { digest } = stored
      const [first, ...others] = manifest.tags
      if (first === undefined) done(call, 'push', `${name}@${digest}`)
      else
        done(call, 'push', `${name}:${first}`, {
          digest,
          ...(others.length > 0 && { tags: manifest.tags.join(' ') }),
        })
      return stored
    },
    async deleteManifest(call, name, digest) {
      await inner.deleteManifest(call, name, digest)
      done(call, 'delete', `${name}@${digest}`)
    },
    async deleteTag(call, name, tag) {
      await inner.deleteTag(call, name, tag)
      done(call, 'delete', `${name}:${tag}`)
    },
    async deleteBlob(call, name, digest) {
      await inner.deleteBlob(call, name, digest)
      done(call, 'delete', `${name}@${digest}`, { what: 'blob' })
    },
    // Blobs mean nothing before a manifest names them.
    putBlob: (call, name, digest, chunk) => inner.putBlob(call, name, digest, chunk),
    mountBlob: (call, name, digest, from, isReadable) =>
      inner.mountBlob(call, name, digest, from, isReadable),
    startUpload: (call, name, algorithm) => inner.startUpload(call, name, algorithm),
    getUpload: (call, name, id) => inner.getUpload(call, name, id),
    appendUpload: (call, name, id, chunk) => inner.appendUpload(call, name, id, chunk),
    finishUpload: (call, name, id, digest, chunk) => inner.finishUpload(call, name, id, digest, chunk),
    cancelUpload: (call, name, id) => inner.cancelUpload(call, name, id),
  } satisfies Registry
}
