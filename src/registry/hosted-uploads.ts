/**
 * Uploads. Each request that writes claims the upload's row; the last claimant wins and the loser cannot commit.
 *
 *   append:  look, check the offset · stop our own request that is writing, if the new one names the offset, and look
 *            again · claim (with a new object where another process may still write into the old one)
 *            · bytes to the store and through the hash · save what was received and where, end the claim
 *            (a small first chunk is not claimed: it is written to an object of its own, and saved if the row is as it was)
 *   finish:  the same for a last chunk · compare the digest · make the object durable · T1, end the claim
 */
import { randomBytes } from 'node:crypto'
import type { ObjectStat } from '../blobs/blob-store.ts'
import { commitBlob, findLinkedBlob, markDamaged, type UploadCommit } from '../metadata/blob-links.ts'
import { findCheckedBlob, storedObjectOf } from '../metadata/check-blobs.ts'
import { DatabaseFullError } from '../metadata/database.ts'
import { findOrCreateRepository } from '../metadata/repositories.ts'
import {
  createUpload,
  findUpload,
  removeUpload,
  uploadCommit,
  uploadIdFromBytes,
} from '../metadata/uploads.ts'
import type { Digest } from '../oci/digest.ts'
import { RegistryError } from '../oci/error.ts'
import type { RepositoryName } from '../oci/reference.ts'
import { actorOf } from './actor.ts'
import type { HostedParts } from './hosted-parts.ts'
import type { Call, Chunk, Registry } from './registry.ts'
import { newObjectId } from './upload-claims.ts'
import { checkOffset, stoodStill, takenOver, unknownUpload } from './upload-errors.ts'
import { createUploadSessions } from './upload-sessions.ts'
import { createUploadWriter, LONGEST_REQUEST_MS, type WrittenObject } from './upload-writer.ts'

type UploadVerbs = Pick<
  Registry,
  'putBlob' | 'startUpload' | 'getUpload' | 'appendUpload' | 'finishUpload' | 'cancelUpload'
>

export function createHostedUploads(parts: HostedParts): { verbs: UploadVerbs; close(): Promise<void> } {
  const { db, store, clock } = parts
  const sessions = createUploadSessions()
  const writer = createUploadWriter(parts, sessions)

  async function find(call: Call, repository: RepositoryName, id: string) {
    const row = await findUpload(db, repository, id)
    // An upload belongs to its repository and to who began it; for anyone else it is not there.
    if (row === undefined || row.principal !== call.principal.id) throw unknownUpload(id)
    return row
  }

  /** The row, where this chunk goes on and no other request of this process is writing. */
  async function findQuiet(call: Call, repository: RepositoryName, id: string, chunk: Chunk | undefined) {
    for (;;) {
      const row = await find(call, repository, id)
      checkOffset(row, chunk)
      if (!(await writer.stopOwn(row, chunk))) return row
    }
  }

  /**
   * Where the blob is stored already, T1 keeps that copy and drops ours. So it is looked at first: a file that is gone or
   * was touched is not known to be right, and ours is.
   */
  async function distrustTouched(digest: Digest): Promise<void> {
    const known = await findCheckedBlob(db, digest)
    if (known === undefined || known.damagedAt !== undefined) return
    const stat = await store.stat(storedObjectOf(known)).catch(() => undefined)
    if (stat?.size === known.size && stat.stamp === known.stamp) return
    await markDamaged(db, digest, known.object, clock.now())
  }

  /** The bytes are durable: T1. @returns false: the upload was not as it was */
  async function commit(
    call: Call,
    repository: RepositoryName,
    digest: Digest,
    written: WrittenObject,
    { size, stamp }: ObjectStat,
    upload?: UploadCommit,
  ): Promise<boolean> {
    await distrustTouched(digest)
    for (;;) {
      const actor = actorOf(call, clock.now())
      const row = await findOrCreateRepository(db, repository, actor.principalName, actor.now)
      const outcome = await commitBlob(
        db,
        row,
        digest,
        { id: written.state.object.id, size, stamp },
        actor,
        upload,
      )
      if (outcome.done) return true
      const repositoryGone = outcome.missed === (upload === undefined ? 0 : 1)
      if (!repositoryGone) return false
    }
  }

  /** A blob as one body, with an object of its own. @returns false: the upload it came by was not as it was */
  async function receiveWhole(
    call: Call,
    repository: RepositoryName,
    digest: Digest,
    chunk: Chunk,
    upload?: UploadCommit,
  ): Promise<boolean> {
    const began = clock.now()
    const written = await writer.writeWhole(call, newObjectId(), digest, chunk)
    let isWriting = false
    try {
      checkDigest(written.digest, digest)
      if (clock.now() - began > LONGEST_REQUEST_MS) {
        throw new RegistryError('BLOB_UPLOAD_INVALID', 'the push took longer than a day: send it in chunks')
      }
      const finished = await store.finish(written.state, digest)
      isWriting = true
      const done = await commit(call, repository, digest, written, finished, upload)
      if (!done) await store.remove([written.state.object])
      return done
    } catch (error) {
      // A commit whose answer did not come may have happened: then the object stays, and the scrub looks at it later.
      const isUndone = !isWriting || error instanceof DatabaseFullError
      if (isUndone) await store.remove([written.state.object]).catch(() => undefined)
      throw error
    }
  }

  /** A closing PUT that is repeated because its answer was lost has done its work. */
  async function alreadyDone(repository: RepositoryName, digest: Digest): Promise<boolean> {
    return (await findLinkedBlob(db, repository, digest)) !== undefined
  }

  async function finish(
    call: Call,
    repository: RepositoryName,
    id: string,
    digest: Digest,
    chunk: Chunk | undefined,
  ): Promise<boolean> {
    const row = await findQuiet(call, repository, id, chunk)
    if (row.received === 0 && row.holder === undefined) {
      const body = chunk ?? { body: emptyBody(), length: 0 }
      return receiveWhole(call, repository, digest, body, uploadCommit(id, row.version, false))
    }
    const written = await writer.prepareFinish(call, row, digest, chunk)
    if (written === undefined) return finish(call, repository, id, digest, chunk)
    try {
      checkDigest(written.digest, digest)
      const finished = await store.finish(written.state, digest)
      const upload = uploadCommit(id, written.version, true)
      const done = await commit(call, repository, digest, written, finished, upload)
      sessions.dropHash(id)
      return done
    } finally {
      written.end()
    }
  }

  const verbs: UploadVerbs = {
    async putBlob(call, repository, digest, chunk) {
      if (await receiveWhole(call, repository, digest, chunk)) return
      throw stoodStill()
    },
    async startUpload(call, repository, algorithm) {
      const id = uploadIdFromBytes(randomBytes(16))
      for (;;) {
        const now = clock.now()
        const row = await findOrCreateRepository(db, repository, call.principal.name, now)
        const upload = { id, principal: call.principal.id, algorithm: algorithm ?? 'sha256', now } as const
        if (await createUpload(db, row, upload)) return { id, received: 0 }
      }
    },
    async getUpload(call, repository, id) {
      const { received } = await find(call, repository, id)
      return { id, received }
    },
    async appendUpload(call, repository, id, chunk) {
      const row = await findQuiet(call, repository, id, chunk)
      return { id, received: await writer.append(call, row, chunk) }
    },
    async finishUpload(call, repository, id, digest, chunk) {
      let done: boolean
      try {
        done = await finish(call, repository, id, digest, chunk)
      } catch (error) {
        const isGone = error instanceof RegistryError && error.code === 'BLOB_UPLOAD_UNKNOWN'
        if (isGone && (await alreadyDone(repository, digest))) return
        throw error
      }
      if (done || (await alreadyDone(repository, digest))) return
      // Somebody else has it, or has ended it.
      throw takenOver(await find(call, repository, id))
    },
    async cancelUpload(call, repository, id) {
      const row = await find(call, repository, id)
      sessions.writer(id)?.abort()
      await sessions.writer(id)?.done
      const current = await find(call, repository, id)
      const removed = await removeUpload(db, id, current.version, clock.now())
      if (!removed) throw unknownUpload(row.id)
      sessions.dropHash(id)
    },
  }
  return { verbs, close: sessions.close }
}

async function* emptyBody(): AsyncGenerator<Uint8Array> {}

function checkDigest(received: Digest, expected: Digest): void {
  if (received === expected) return
  throw new RegistryError('DIGEST_INVALID', 'the bytes received do not have the digest in the URL', {
    detail: { expected, received },
  })
}
