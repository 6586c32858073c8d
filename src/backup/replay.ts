/**
 * Makes the changes that lines of the journal tell of, with the functions that made them, at the times they were made.
 * A line whose change is there already changes nothing; one that cannot be made is told and left out.
 */
import type { ObjectId } from '../blobs/blob-store.ts'
import { replayAccess } from '../metadata/access/journal.ts'
import { type Actor, actorFromEntry } from '../metadata/actor.ts'
import { commitBlob, linkAgain, objectToBytes } from '../metadata/blob-links.ts'
import { type CandidateKind, collectAgain } from '../metadata/collect.ts'
import { type Db, ForeignKeyError, type Statement } from '../metadata/database.ts'
import { deleteManifestRow, deleteTagRow, unlinkBlob } from '../metadata/deletions.ts'
import { emptyTrash } from '../metadata/empty-trash.ts'
import { putManifestRows } from '../metadata/manifests.ts'
import {
  findOrCreateRepository,
  findRepository,
  forgetRepository,
  type RepositoryRow,
} from '../metadata/repositories.ts'
import { restoreDeletion } from '../metadata/restore-deletion.ts'
import { restoreTag } from '../metadata/tag-history.ts'
import { type Digest, isDigest } from '../oci/digest.ts'
import { parseManifest } from '../oci/manifest.ts'
import type { RepositoryName, Tag } from '../oci/reference.ts'
import type { JournalLine } from './read-journal.ts'

/** Why a line was left out. Undefined: its change is made. */
type Replayed = string | undefined

/** A change whose line does not have what it needs. */
class UnusableLineError extends Error {
  override readonly name = 'UnusableLineError'
}

type Replayer = (db: Db, line: JournalLine) => Promise<Replayed>

/** Leases are in no line: what was restored then was still there. */
const EVEN_WHEN_DUE = true
const OBJECT_ID = /^[0-9a-f]{32}$/

const OBJECT: Statement = {
  name: 'object-state',
  sql: 'SELECT state FROM objects WHERE id = :object',
  rows: true,
}

const DELETION: Statement = {
  name: 'deletion-told',
  sql: `SELECT d.id FROM repositories r CROSS JOIN deletions d ON d.repository_id = r.id
        WHERE r.name = :repository AND r.deleted_at IS NULL AND d.what = :what AND d.at = :at`,
  rows: true,
}

/** What the lines of each kind do. Those of the takeover are no changes: its rows are read from its folder again. */
const REPLAYERS: Readonly<Record<string, Replayer>> = {
  begin: nothing,
  'begin-takeover': nothing,
  imported: nothing,
  'takeover-complete': nothing,
  async repository(db, line) {
    await findOrCreateRepository(db, repositoryOf(line), textOf(line, 'by'), numberOf(line, 't'))
    return undefined
  },
  async 'forget-repository'(db, line) {
    const row = await findRepository(db, repositoryOf(line))
    if (row === undefined) return undefined
    return (await forgetRepository(db, row)) ? undefined : 'the repository is in use'
  },
  link: replayLink,
  manifest: replayManifest,
  async 'delete-tag'(db, line) {
    const [name, tag] = [repositoryOf(line), textOf(line, 'tag') as Tag]
    const isDone = await deleteTagRow(db, name, tag, numberOf(line, 'keep'), actorOf(line))
    return isDone ? undefined : 'the tag is not there'
  },
  'delete-manifest': (db, line) => replayDeletion(db, line, deleteManifestRow),
  unlink: (db, line) => replayDeletion(db, line, unlinkBlob),
  restore: replayRestore,
  async empty(db, line) {
    const deletion = await findDeletion(db, line)
    if (deletion === undefined) return 'the deletion is not there'
    const actor = actorOf(line)
    await emptyTrash(db, { deletion, actor, now: actor.now })
    return undefined
  },
  async 'restore-tag'(db, line) {
    const [name, tag] = [repositoryOf(line), textOf(line, 'tag') as Tag]
    const { kind } = await restoreTag(db, name, tag, digestOf(line), actorOf(line), EVEN_WHEN_DUE)
    return kind === 'restored' || kind === 'unchanged' ? undefined : `it cannot be brought back: ${kind}`
  },
  'access-row': replayAccess,
  'access-set': replayAccess,
  'access-gone': replayAccess,
  async collect(db, line) {
    const kind = textOf(line, 'what') as CandidateKind
    const row = line['repository'] === null ? undefined : await findRepository(db, repositoryOf(line))
    // What stands although it was collected is looked at again: it stays a candidate.
    await collectAgain(db, kind, row?.id, digestOf(line), numberOf(line, 't'))
    return undefined
  },
}

async function nothing(): Promise<Replayed> {
  return undefined
}

/** @returns why it could not be made; undefined: it is made */
export async function replayLine(db: Db, line: JournalLine): Promise<Replayed> {
  const replayer = Object.hasOwn(REPLAYERS, line.do) ? REPLAYERS[line.do] : undefined
  if (replayer === undefined) return 'this version of Berth does not know such a change'
  try {
    return await replayer(db, line)
  } catch (error) {
    if (error instanceof ForeignKeyError) return 'it needs what is not there'
    if (error instanceof UnusableLineError) return error.message
    // Bytes of a manifest that this version does not take.
    if ((error as Error).name === 'RegistryError') return (error as Error).message
    throw error
  }
}

async function replayLink(db: Db, line: JournalLine): Promise<Replayed> {
  const actor = actorOf(line)
  const row = await repositoryFor(db, line, actor)
  const digest = digestOf(line)
  if (line['object'] === undefined) {
    return (await linkAgain(db, row, digest, actor)) ? undefined : 'the repository is not there'
  }
  const id = textOf(line, 'object') as ObjectId
  if (!OBJECT_ID.test(id)) throw new UnusableLineError('the line does not say which object')
  const [known] = await db.read(OBJECT, { object: objectToBytes(id) })
  if (known !== undefined) return (await linkAgain(db, row, digest, actor)) ? undefined : 'gone'
  const stamp = line['stamp'] === null ? undefined : numberOf(line, 'stamp')
  const object = { id, size: numberOf(line, 'size'), stamp }
  const outcome = await commitBlob(db, row, digest, object, actor)
  return outcome.done ? undefined : 'the repository is not there'
}

async function replayManifest(db: Db, line: JournalLine): Promise<Replayed> {
  const actor = actorOf(line)
  const row = await repositoryFor(db, line, actor)
  const bytes = Buffer.from(textOf(line, 'bytes'), 'base64')
  const parsed = parseManifest(textOf(line, 'mediaType'), bytes, Number.MAX_SAFE_INTEGER)
  const details = {
    ...(typeof line['platform'] === 'string' && { platform: line['platform'] }),
    ...(typeof line['created'] === 'number' && { created: line['created'] }),
  }
  const tags = (line['tags'] ?? []) as Tag[]
  // What it names was there when it was taken; what of it is here now is found anew.
  const isRequired = (): boolean => false
  const manifest = { ...parsed, ...details }
  const outcome = await putManifestRows(db, row, digestOf(line), bytes, manifest, isRequired, { tags }, actor)
  switch (outcome.kind) {
    case 'stored':
      return undefined
    case 'other-type':
      return `its bytes are there as ${outcome.mediaType}`
    case 'missing':
    case 'tags-taken':
    case 'repository-gone':
      return 'the repository is not there'
  }
}

type Deletion = (
  db: Db,
  repository: RepositoryRow,
  digest: Digest,
  keepMs: number,
  actor: Actor,
) => Promise<boolean>

async function replayDeletion(db: Db, line: JournalLine, remove: Deletion): Promise<Replayed> {
  const row = await findRepository(db, repositoryOf(line))
  const isDone =
    row !== undefined && (await remove(db, row, digestOf(line), numberOf(line, 'keep'), actorOf(line)))
  return isDone ? undefined : 'it is not there'
}

async function replayRestore(db: Db, line: JournalLine): Promise<Replayed> {
  const deletion = await findDeletion(db, line)
  if (deletion === undefined) return 'the deletion is not there'
  const { kind } = await restoreDeletion(db, deletion, actorOf(line), EVEN_WHEN_DUE)
  return kind === 'restored' ? undefined : `it cannot be brought back: ${kind}`
}

/** Their numbers are the same only where nothing is missing before. */
async function findDeletion(db: Db, line: JournalLine): Promise<number | undefined> {
  const rows = await db.read(DELETION, {
    repository: repositoryOf(line),
    what: textOf(line, 'what'),
    at: numberOf(line, 'deletedAt'),
  })
  const ids = rows.map((row) => row['id'] as number)
  return ids.find((id) => id === line['deletion']) ?? ids[0]
}

/** Made if need be: the line that made it may be lost. */
function repositoryFor(db: Db, line: JournalLine, actor: Actor): Promise<RepositoryRow> {
  return findOrCreateRepository(db, repositoryOf(line), actor.principalName, actor.now)
}

function actorOf(line: JournalLine): Actor {
  const actor = actorFromEntry({ t: line['t'], by: line['by'] })
  if (actor === undefined) throw new UnusableLineError('the line does not say who and when')
  return actor
}

function textOf(line: JournalLine, key: string): string {
  const value = line[key]
  if (typeof value !== 'string') throw new UnusableLineError(`the line does not say ${key}`)
  return value
}

function numberOf(line: JournalLine, key: string): number {
  const value = line[key]
  if (!Number.isSafeInteger(value)) throw new UnusableLineError(`the line does not say ${key}`)
  return value as number
}

function repositoryOf(line: JournalLine): RepositoryName {
  return textOf(line, 'repository') as RepositoryName
}

function digestOf(line: JournalLine): Digest {
  const text = textOf(line, 'digest')
  if (!isDigest(text)) throw new UnusableLineError('the line does not say a digest')
  return text
}
