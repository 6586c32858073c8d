/** A disk without a single free byte, that whoever filled it fills again after each step. Needs root, for a tmpfs. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { DatabaseFullError } from '../database.ts'
import { rowsOf, NOW, repositoryOf, withFolder } from '../metadata-fixtures.ts'
import { type Metadata, openMetadata } from '../open-metadata.ts'
import { createUpload, removeUpload } from '../uploads.ts'

const MIB = 1024 * 1024

function mount(folder: string): boolean {
  try {
    mkdirSync(folder)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=40m', 'tmpfs', folder], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

function fill(folder: string): void {
  const file = openSync(join(folder, 'filler'), 'a')
  for (let step = MIB; step >= 1; step >>= 1) {
    try {
      while (writeSync(file, Buffer.alloc(step)) === step);
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC')
    }
  }
  closeSync(file)
  const { bavail } = statfsSync(folder)
  assert.equal(bavail, 0)
}

async function begin({ db }: Metadata): Promise<string> {
  const id = crypto.randomUUID()
  const upload = { id, principal: 'p', algorithm: 'sha256', now: NOW } as const
  assert.ok(await createUpload(db, await repositoryOf(db), upload))
  return id
}

test('on a full disk: start, read, delete 200 times, refuse, and go on when there is room', async (t) => {
  await withFolder(async (folder) => {
    const disk = join(folder, 'disk')
    if (!mount(disk)) return t.skip('SKIPPED: a tmpfs can only be mounted by root; full disks are not tried')
    let metadata: Metadata | undefined
    try {
      const open = () => openMetadata({ folder: join(disk, 'berth'), version: 'test' })
      metadata = open()
      const ids: string[] = []
      for (let n = 0; n < 230; n++) ids.push(await begin(metadata))
      // The ballast of this disk is 2.5 MiB, set aside in steps.
      await sleep(1000)
      fill(disk)
      const remove = async (id: string) => {
        fill(disk)
        assert.ok(await removeUpload((metadata as Metadata).db, id, 0, NOW))
      }
      for (const id of ids.slice(0, 100)) await remove(id)
      await metadata.db.close()
      fill(disk)
      // Without a shared memory file of before: even reading needs a little room.
      metadata = open()
      assert.deepEqual(await rowsOf(metadata.db, 'SELECT count(*) AS n FROM uploads'), [{ n: 130 }])
      for (const id of ids.slice(100, 200)) await remove(id)
      await refusedSoon(metadata)
      rmSync(join(disk, 'filler'))
      await begin(metadata)
      assert.deepEqual(await rowsOf(metadata.db, 'SELECT count(*) AS n FROM pragma_foreign_key_check'), [
        { n: 0 },
      ])
    } finally {
      await metadata?.db.close()
      execFileSync('umount', [disk])
    }
  })
})

/** What adds may still find room in the log for a while, but is then refused, and nothing of it stays. */
async function refusedSoon(metadata: Metadata): Promise<void> {
  let before = 0
  for (let n = 0; n < 2000; n++) {
    before = (await rowsOf(metadata.db, 'SELECT count(*) AS n FROM uploads'))[0]?.['n'] as number
    try {
      await begin(metadata)
    } catch (error) {
      assert.ok(error instanceof DatabaseFullError)
      assert.deepEqual(await rowsOf(metadata.db, 'SELECT count(*) AS n FROM uploads'), [{ n: before }])
      return
    }
  }
  assert.fail('a full disk takes everything')
}
