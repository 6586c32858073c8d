/** A filesystem store in a temporary folder, which fails the test that leaves files open. */
import assert from 'node:assert/strict'
import { mkdtemp, readdir, readlink, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { BlobStore, ObjectId } from '../blob-store.ts'
import { createFilesystemBlobStore, type FilesystemOptions } from './store.ts'

type TemporaryStore = {
  root: string
  store: BlobStore
  /** Another store on the same folder, as after a restart or in another process. */
  again(): Promise<BlobStore>
}

export async function temporaryStore(
  t: TestContext,
  options: Omit<FilesystemOptions, 'root'> & { root?: string } = {},
): Promise<TemporaryStore> {
  const root = options.root ?? (await mkdtemp(join(tmpdir(), 'berth-')))
  const stores: BlobStore[] = []
  const again = async (): Promise<BlobStore> => {
    const store = await createFilesystemBlobStore({ ...options, root })
    stores.push(store)
    return store
  }
  t.after(async () => {
    for (const store of stores) await store.close()
    assert.deepEqual(await openUnder(root), [], 'something is left open after close')
    await rm(root, { recursive: true, force: true })
  })
  return { root, store: await again(), again }
}

/** The files below `root` that this process has open (Linux only; elsewhere none are found). */
export async function openUnder(root: string, ending = ''): Promise<string[]> {
  const files = await readdir('/proc/self/fd').catch(() => [])
  const paths = await Promise.all(files.map((file) => readlink(`/proc/self/fd/${file}`).catch(() => '')))
  return paths.filter((path) => path.startsWith(root) && path.replace(' (deleted)', '').endsWith(ending))
}

/** The names in an object's folder that are about it. */
export async function filesOf(root: string, id: ObjectId): Promise<string[]> {
  const names = await readdir(folderOf(root, id))
  return names.filter((name) => name.startsWith(id)).toSorted()
}

export function folderOf(root: string, id: ObjectId): string {
  return join(root, 'berth', 'objects', id.slice(0, 2))
}

export function partOf(root: string, id: ObjectId): string {
  return join(folderOf(root, id), `${id}.part`)
}
