/**
 * One blob into a registry (distribution-spec, "Pushing blobs"):
 *   HEAD: is it there? · an upload of an earlier run is gone on with, else POST, which may mount it · PATCH from where
 *   the registry is, in one request or in chunks · after a broken one GET: how far did it come? · PUT, with the digest
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { discard } from '../bodies.ts'
import { failureOfAnswer, isPassing, UpstreamError } from '../failure.ts'
import type { BlobToPush } from '../layout/collect.ts'
import { LayoutError } from '../layout/layout.ts'
import { createCheckedReader } from '../layout/read-stored.ts'
import { MOST_TRIES, waitBefore } from '../retry.ts'
import { compareDigest } from './compare-digest.ts'
import {
  begin,
  type BlobOutcome,
  cancel,
  isPresent,
  notThere,
  pushScope,
  resume,
  statusOf,
  type Upload,
  type UploadContext,
} from './uploads.ts'

/** @throws UpstreamError, LayoutError, an AbortError */
export async function uploadBlob(blob: BlobToPush, context: UploadContext): Promise<BlobOutcome> {
  if (await isPresent(blob, context)) return 'present'
  const known = await resume(blob, context)
  if (known !== undefined && known.offset > 0) context.watch.resumed(blob, known.offset)
  const upload = known ?? (await begin(blob, context))
  if (upload === 'mounted') return 'mounted'
  return createSending(blob, context).run(upload, known !== undefined)
}

/** How often an upload is begun again after the registry refused to go on with it. */
const MOST_RESTARTS = 1
/** And how often the registry may say that it is elsewhere. */
const MOST_DISPUTES = 4
/** What says that the registry and this side do not agree on how far an upload is. */
const DISAGREES: ReadonlySet<number | undefined> = new Set([400, 404, 409, 416])
/** Requests smaller than this are not cut by proxies for their length. */
const SMALL = 1024 * 1024

function createSending(blob: BlobToPush, context: UploadContext) {
  const { digest, stored } = blob
  const { connection, repository, chunks, unfinished, signal, watch } = context
  const scope = pushScope(repository)
  const reader = createCheckedReader(stored, digest)
  /** Told to the watcher. */
  let counted = 0
  /** As far as the registry has ever been; tries count only while it comes no farther. */
  let farthest = 0
  let fails = 0
  let restarts = 0
  let disputes = 0
  /** Somebody else may hold the upload still: a request that says where it goes on takes it over. */
  let saysWhere = false

  function count(to: number): void {
    watch.sent(to - counted)
    counted = to
  }

  async function patch({ at, offset }: Upload): Promise<Upload> {
    const limit = chunks.now()
    const end = limit === undefined ? stored.size : Math.min(stored.size, offset + limit)
    const isPart = saysWhere || offset > 0 || end < stored.size
    const answer = await connection.ask({
      method: 'PATCH',
      at,
      scope,
      headers: {
        'content-type': 'application/octet-stream',
        ...(isPart && { 'content-range': `${offset}-${end - 1}` }),
      },
      body: { length: end - offset, open: () => counting(offset, end) },
      tries: 1,
      signal,
    })
    if (answer.statusCode !== 202 && answer.statusCode !== 204 && answer.statusCode !== 201)
      throw await failureOfAnswer(answer, connection.host, `take ${digest}`)
    discard(answer)
    return {
      at: answer.headers.location === undefined ? at : connection.locate(answer.headers.location, at),
      offset: end,
    }
  }

  async function* counting(from: number, to: number): AsyncGenerator<Buffer> {
    let at = from
    for await (const piece of reader.read(from, to)) {
      yield piece
      // Only now: it has been asked for the next one.
      count((at += piece.length))
    }
  }

  async function finish({ at }: Upload): Promise<void> {
    const url = new URL(at)
    url.searchParams.set('digest', digest)
    const body = { length: 0, open: nothing }
    const answer = await connection.ask({ method: 'PUT', at: url, scope, body, tries: 1, signal })
    if (answer.statusCode !== 201 && answer.statusCode !== 204)
      throw await failureOfAnswer(answer, connection.host, `take ${digest}`)
    discard(answer)
    compareDigest(answer, digest, connection.host)
  }

  /** @returns milliseconds to wait. @throws the error, where there is no way on */
  function wayOn(error: unknown, { offset }: Upload): number {
    if (!(error instanceof UpstreamError)) throw error
    const length = Math.min(chunks.now() ?? stored.size, stored.size - offset)
    if (error.kind === 'too-large') {
      if (chunks.lower(length) === undefined) throw error
      return 0
    }
    if (isPassing(error)) {
      if (++fails >= MOST_TRIES) throw error
      // A proxy may cut what takes long or is large without a word.
      if (error.kind === 'lost' && fails > 2 && length > SMALL && chunks.lower(length) !== undefined)
        fails = 1
      return waitBefore(fails, error.retryAfterMs)
    }
    if (!DISAGREES.has(error.status) || ++disputes > MOST_DISPUTES) throw error
    return 0
  }

  /** Where the registry is now. */
  async function recover(error: UpstreamError, upload: Upload): Promise<Upload | 'done'> {
    if (upload.offset === stored.size && (await isPresent(blob, context))) return 'done'
    saysWhere = true
    const isDisputed = DISAGREES.has(error.status)
    const known = await statusOf(upload.at, context).catch(notThere)
    const isNews = known !== undefined && known.offset <= stored.size
    if (isNews && !(isDisputed && known.offset === upload.offset)) return known
    if (isDisputed && ++restarts > MOST_RESTARTS) throw error
    await cancel(upload.at, context)
    const again = await begin(blob, { ...context, mountFrom: [] })
    return again === 'mounted' ? 'done' : again
  }

  async function run(first: Upload, isKnown: boolean): Promise<BlobOutcome> {
    let upload = first
    saysWhere = isKnown
    try {
      for (;;) {
        count(upload.offset)
        if (upload.offset > farthest) fails = 0
        farthest = Math.max(farthest, upload.offset)
        try {
          if (upload.offset === stored.size) {
            await finish(upload)
            break
          }
          upload = await patch(upload)
          await unfinished.keep(digest, upload.at.href)
        } catch (error) {
          const waitMs = wayOn(error, upload)
          if (waitMs >= 1000) watch.waits((error as Error).message, waitMs)
          await sleep(waitMs, undefined, { signal })
          const next = await recover(error as UpstreamError, upload)
          if (next === 'done') break
          upload = next
        }
      }
    } catch (error) {
      // No more of it shall come: the bytes here are wrong.
      if (error instanceof LayoutError)
        await Promise.all([cancel(upload.at, context), unfinished.forget(digest)])
      throw error
    }
    count(stored.size)
    await unfinished.forget(digest)
    return 'uploaded'
  }

  return { run }
}

async function* nothing(): AsyncGenerator<Buffer> {}
