import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../../test/lib/temporary.ts'
import { blobPath } from './layout.ts'
import { walkBlobFiles } from './blob-files.ts'
import type { Finding } from './found.ts'
import { createDistributionFolder, sha256Of, sha512Of } from './takeover-fixtures.ts'

test('all files in order of digest, from any digest on', async (t) => {
  const folder = createDistributionFolder(temporaryFolder(t, 'takeover'))
  const digests = Array.from({ length: 300 }, (_, index) =>
    folder.blob(`blob ${index}`, 1_600_000_000_000 + index),
  )
  folder.write(folder.blobFile(sha512Of('long')), 'long')
  digests.push(sha512Of('long'))
  digests.sort()
  const files = await Array.fromAsync(walkBlobFiles(folder.root))
  assert.deepEqual(
    files.map(({ digest }) => digest),
    digests,
  )
  for (const { digest, path } of files) assert.equal(path, blobPath(digest))
  const seven = files.find(({ digest }) => digest === sha256Of('blob 7'))
  const { path: _, ...rest } = seven ?? { path: '' }
  assert.deepEqual(rest, {
    digest: sha256Of('blob 7'),
    size: 6,
    stamp: 1_600_000_000_007_000,
    modifiedAt: 1_600_000_000_007,
  })
  for (const after of [
    ...digests.filter((_, index) => index % 99 === 0),
    'sha256:80',
    'sha512',
    'sha512:~',
  ]) {
    const some = await Array.fromAsync(walkBlobFiles(folder.root, after))
    assert.deepEqual(
      some.map(({ digest }) => digest),
      digests.filter((digest) => digest > after),
      after,
    )
  }
})

test('what is no blob is told', async (t) => {
  const folder = createDistributionFolder(temporaryFolder(t, 'takeover'))
  const digest = folder.blob('blob')
  const cut = sha256Of('cut off')
  folder.write(`${folder.blobFile(cut)}.0190f3f0-7a1e-7c2b-8a55-0123456789ab.tmp`, 'half')
  mkdirSync(join(folder.v2, folder.blobFile(sha256Of('collected')), '..'), { recursive: true })
  mkdirSync(join(folder.v2, folder.blobFile(sha256Of('a folder'))), { recursive: true })
  folder.write('blobs/.DS_Store', 'x')
  folder.write('blobs/sha256/zz', 'x')
  folder.write(
    folder.blobFile(digest).replace(/\/[0-9a-f]{2}\//, digest.startsWith('sha256:00') ? '/01/' : '/00/'),
    'x',
  )
  const findings: Finding[] = []
  const files = await Array.fromAsync(walkBlobFiles(folder.root, '', (finding) => findings.push(finding)))
  assert.deepEqual(
    files.map((file) => file.digest),
    [digest],
  )
  assert.deepEqual(
    findings.map(({ kind }) => kind),
    Array.from({ length: 5 }, () => 'unknown-file'),
  )
  assert.equal(findings.find(({ detail }) => detail.includes('.tmp'))?.bytes, 4)
  folder.remove('blobs')
  assert.deepEqual(await Array.fromAsync(walkBlobFiles(folder.root)), [])
})
