/** An image and everything below it into a repository: blobs side by side, then manifests, children first. */
import type { RepositoryName } from '../../oci/reference.ts'
import { concurrently } from '../../lib/concurrently.ts'
import { discard, once } from '../bodies.ts'
import type { Connection } from '../connection.ts'
import { failureOfAnswer } from '../failure.ts'
import type { BlobToPush, Content, ManifestToPush } from '../layout/collect.ts'
import { compareDigest } from './compare-digest.ts'
import { uploadBlob } from './upload-blob.ts'
import { type BlobOutcome, pushScope, type UploadContext } from './uploads.ts'

export type PushWatch = UploadContext['watch'] & {
  blob(blob: BlobToPush, outcome: BlobOutcome): void
  manifest(manifest: ManifestToPush, outcome: 'present' | 'pushed'): void
}

export type PushOptions = Omit<UploadContext, 'watch'> & {
  content: Content
  /** Under which the image itself is to be found; absent: by its digest only. */
  tag?: string | undefined
  /** Blobs at a time. */
  jobs: number
  watch: PushWatch
}

/**
 * What is there already is not sent. Nothing that names other content is sent before that.
 * @throws UpstreamError, LayoutError, an AbortError
 */
export async function pushContent(options: PushOptions): Promise<void> {
  const { content, jobs, watch, signal } = options
  // One that fails ends the others: their uploads are kept, and a later run goes on with them.
  const failed = new AbortController()
  const context: UploadContext = { ...options, signal: AbortSignal.any([signal, failed.signal]) }
  // The largest first, so that no long one is left over at the end.
  const blobs = content.blobs.toSorted((one, other) => other.stored.size - one.stored.size)
  await concurrently(blobs, jobs, async (blob) => {
    try {
      watch.blob(blob, await uploadBlob(blob, context))
    } catch (error) {
      failed.abort()
      throw error
    }
  })
  for (const [index, manifest] of content.manifests.entries()) {
    const isRoot = index === content.manifests.length - 1
    const reference = (isRoot ? options.tag : undefined) ?? manifest.digest
    watch.manifest(manifest, await pushManifest(manifest, reference, options))
  }
}

type Place = { connection: Connection; repository: RepositoryName; signal: AbortSignal }

async function pushManifest(
  { digest, mediaType, bytes }: ManifestToPush,
  reference: string,
  { connection, repository, signal }: Place,
): Promise<'present' | 'pushed'> {
  const asked = { at: `/v2/${repository}/manifests/${reference}`, scope: pushScope(repository), signal }
  const known = await connection.ask({ ...asked, method: 'HEAD', headers: { accept: `${mediaType}, */*` } })
  discard(known)
  if (known.statusCode === 200 && known.headers['docker-content-digest'] === digest) return 'present'
  const answer = await connection.ask({
    ...asked,
    method: 'PUT',
    headers: { 'content-type': mediaType },
    body: { length: bytes.length, open: () => once(bytes) },
  })
  if (answer.statusCode !== 201 && answer.statusCode !== 204)
    throw await failureOfAnswer(answer, connection.host, `take the manifest ${reference}`)
  discard(answer)
  compareDigest(answer, digest, connection.host)
  return 'pushed'
}
