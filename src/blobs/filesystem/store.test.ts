import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { blobStoreSuite } from '../blob-store.suite.ts'
import { createFilesystemBlobStore } from './store.ts'

blobStoreSuite('the filesystem store', async () => {
  const root = await mkdtemp(join(tmpdir(), 'berth-'))
  const store = await createFilesystemBlobStore({ root })
  return {
    store,
    end: async () => {
      await store.close()
      await rm(root, { recursive: true })
    },
  }
})
