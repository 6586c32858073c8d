/** The requests around an upload (distribution-spec, "Pushing blobs"): is it there, begin, how far is it, give it up. */
import type { IncomingMessage } from 'node:http'
import type { RepositoryName } from '../../oci/reference.ts'
import type { Connection } from '../connection.ts'
import { discard } from '../bodies.ts'
import { failureOfAnswer, UpstreamError } from '../failure.ts'
import type { BlobToPush } from '../layout/collect.ts'
import { compareDigest } from './compare-digest.ts'
import type { ChunkLimit } from './chunk-limit.ts'
import type { UnfinishedUploads } from './unfinished.ts'

export type BlobOutcome = 'present' | 'mounted' | 'uploaded'

export type UploadContext = {
  connection: Connection
  repository: RepositoryName
  /** Repositories of the same registry that may have a blob. */
  mountFrom: readonly RepositoryName[]
  chunks: ChunkLimit
  unfinished: UnfinishedUploads
  signal: AbortSignal
  watch: {
    /** Bytes are on their way; a negative number where some have to go again. */
    sent(bytes: number): void
    resumed(blob: BlobToPush, from: number): void
    waits(why: string, ms: number): void
  }
}

/** An upload the registry has begun: where to go on with it, and how many bytes it has. */
export type Upload = { at: URL; offset: number }

export function pushScope(repository: string, mountFrom: readonly string[] = []): string {
  return [`repository:${repository}:pull,push`, ...mountFrom.map((name) => `repository:${name}:pull`)].join(
    ' ',
  )
}

export async function isPresent({ digest, stored }: BlobToPush, context: UploadContext): Promise<boolean> {
  const { connection, repository, signal } = context
  const scope = pushScope(repository)
  const answer = await connection.ask({
    method: 'HEAD',
    at: `/v2/${repository}/blobs/${digest}`,
    scope,
    signal,
  })
  discard(answer)
  const length = answer.headers['content-length']
  if (answer.statusCode === 200) return length === undefined || Number(length) === stored.size
  // A place that hides what may not be seen says 404, or 401 and 403; whether it may be pushed to, the push tells.
  if ([401, 403, 404].includes(answer.statusCode ?? 0)) return false
  throw await failureOfAnswer(answer, connection.host, `tell whether it has ${digest}`)
}

/** What an earlier run has left, where the registry still has it. */
export async function resume(blob: BlobToPush, context: UploadContext): Promise<Upload | undefined> {
  const { connection, unfinished } = context
  const location = await unfinished.find(blob.digest)
  if (location === undefined) return undefined
  const url = URL.parse(location)
  const upload =
    url?.origin === connection.origin.origin ? await statusOf(url, context).catch(notThere) : undefined
  if (upload !== undefined && upload.offset <= blob.stored.size) return upload
  await unfinished.forget(blob.digest)
  return undefined
}

/** For a question whose answer is not needed. @throws what must be told all the same */
export function notThere(error: unknown): undefined {
  if (error instanceof UpstreamError && error.kind !== 'sign-in') return undefined
  throw error
}

/** @returns undefined: the registry does not know the upload any more, or cannot tell */
export async function statusOf(at: URL, context: UploadContext): Promise<Upload | undefined> {
  const { connection, repository, signal } = context
  const answer = await connection.ask({ method: 'GET', at, scope: pushScope(repository), signal })
  discard(answer)
  const { statusCode = 0, headers } = answer
  if (statusCode !== 204 && statusCode !== 202 && statusCode !== 200) return undefined
  const offset = offsetIn(headers.range)
  if (offset === undefined) return undefined
  return { at: headers.location === undefined ? at : connection.locate(headers.location, at), offset }
}

/**
 * `0-99` is a hundred bytes. `0-0` is what registries say of an upload that has none yet (and of a single byte: the
 * registry then refuses what follows, and the upload begins again).
 */
function offsetIn(range: string | undefined): number | undefined {
  const last = /^(?:bytes=)?0-(-?\d+)$/.exec(range ?? '0-0')?.[1]
  if (last === undefined) return undefined
  return Number(last) <= 0 ? 0 : Number(last) + 1
}

export async function begin(blob: BlobToPush, context: UploadContext): Promise<Upload | 'mounted'> {
  const { connection, repository, mountFrom, signal } = context
  const uploads = `/v2/${repository}/blobs/uploads/`
  // Without "from" a registry may look where it likes.
  const froms = mountFrom.length === 0 ? [undefined] : mountFrom
  for (const from of froms) {
    const query = new URLSearchParams({ mount: blob.digest, ...(from !== undefined && { from }) })
    const scope = pushScope(repository, from === undefined ? [] : [from])
    // Some refuse what they do not know, or a token for two repositories: then without.
    const answer = await connection
      .ask({ method: 'POST', at: `${uploads}?${query.toString()}`, scope, signal, tries: 1 })
      .catch(notThere)
    if (answer?.statusCode === 201) {
      discard(answer)
      compareDigest(answer, blob.digest, connection.host)
      return 'mounted'
    }
    if (answer?.statusCode === 202 && from === froms.at(-1)) return begun(answer, blob, context)
    if (answer === undefined) continue
    discard(answer)
    if (answer.statusCode === 202) await cancel(connection.locate(answer.headers.location), context)
  }
  const answer = await connection.ask({ method: 'POST', at: uploads, scope: pushScope(repository), signal })
  if (answer.statusCode !== 202) throw await failureOfAnswer(answer, connection.host, `push to ${repository}`)
  return begun(answer, blob, context)
}

async function begun(answer: IncomingMessage, blob: BlobToPush, context: UploadContext): Promise<Upload> {
  discard(answer)
  const at = context.connection.locate(answer.headers.location)
  const least = answer.headers['oci-chunk-min-length']?.toString() ?? ''
  if (/^\d{1,15}$/.test(least)) context.chunks.atLeast(Number(least))
  await context.unfinished.keep(blob.digest, at.href)
  return { at, offset: 0 }
}

/** Nobody goes on with it. Where that cannot be told, the registry finds out. */
export async function cancel(at: URL, { connection, repository, signal }: UploadContext): Promise<void> {
  try {
    const answer = await connection.ask({
      method: 'DELETE',
      at,
      scope: pushScope(repository),
      tries: 1,
      signal,
    })
    discard(answer)
  } catch {
    signal.throwIfAborted()
  }
}
