/** Databases in temporary folders, and short ways to fill them, for tests. */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ObjectId } from '../blobs/blob-store.ts'
import { MEDIA_TYPE } from '../oci/descriptor.ts'
import { type Digest, digestOf } from '../oci/digest.ts'
import { parseManifest } from '../oci/manifest.ts'
import type { RepositoryName, Tag } from '../oci/reference.ts'
import type { Actor } from './actor.ts'
import { commitBlob } from './blob-links.ts'
import type { Db, Row, Statement } from './database.ts'
import { putManifestRows } from './manifests.ts'
import { type Metadata, openMetadata } from './open-metadata.ts'
import { findOrCreateRepository, findRepository, type RepositoryRow } from './repositories.ts'

export async function withFolder(work: (folder: string) => Promise<void> | void): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'berth-metadata-'))
  try {
    await work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** As many processes on one folder. */
export function withMetadata<T extends readonly string[]>(
  names: T,
  work: (...processes: { [K in keyof T]: Metadata }) => Promise<void>,
): Promise<void> {
  return withFolder(async (folder) => {
    const opened = names.map((version) => openMetadata({ folder, version }))
    try {
      await work(...(opened as { [K in keyof T]: Metadata }))
    } finally {
      for (const { db } of opened) await db.close()
    }
  })
}

export const query = (sql: string): Statement => ({ name: sql, sql, rows: true })

export async function rowsOf(db: Db, sql: string): Promise<Row[]> {
  return (await db.read(query(sql), {})).map((row) => ({ ...row }))
}

export const NOW = 1_800_000_000_000

export function actorAt(now = NOW): Actor {
  return { principalId: 'u1', principalName: 'me', client: 'test/1', requestId: 'r1', cause: 'push', now }
}

export function repositoryOf(db: Db, name = 'a'): Promise<RepositoryRow> {
  return findOrCreateRepository(db, name as RepositoryName, 'me', NOW)
}

let objects = 0

export async function linkBlob(db: Db, content: string, name = 'a', now = NOW): Promise<Digest> {
  const digest = digestOf('sha256', Buffer.from(content))
  const id = (objects++).toString(16).padStart(32, '0') as ObjectId
  const object = { id, size: content.length, stamp: undefined }
  await commitBlob(db, await repositoryOf(db, name), digest, object, actorAt(now))
  return digest
}

/** @returns its digest */
export async function pushManifest(db: Db, tags: readonly string[], name = 'a', extra = {}): Promise<Digest> {
  await linkBlob(db, '{}', name)
  const config = { mediaType: 'application/json', digest: digestOf('sha256', Buffer.from('{}')), size: 2 }
  const mediaType = MEDIA_TYPE.ociManifest
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config, layers: [], ...extra }))
  const digest = digestOf('sha256', bytes)
  const row = await repositoryOf(db, name)
  const parsed = parseManifest(mediaType, bytes, 100)
  const outcome = await putManifestRows(
    db,
    row,
    digest,
    bytes,
    parsed,
    () => true,
    { tags: tags as Tag[] },
    actorAt(),
  )
  if (outcome.kind !== 'stored') throw new Error(outcome.kind)
  return digest
}

export function journalLines(folder: string): Record<string, unknown>[] {
  const journal = join(folder, 'journal')
  return readdirSync(journal)
    .flatMap((name) => readFileSync(join(journal, name), 'utf8').split('\n'))
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .sort((a, b) => (a['seq'] as number) - (b['seq'] as number))
}

/** A repository that the test has made. */
export async function existingRepository(db: Db, name: string): Promise<RepositoryRow> {
  const row = await findRepository(db, name as RepositoryName)
  assert.ok(row, `there is no repository ${name}`)
  return row
}
