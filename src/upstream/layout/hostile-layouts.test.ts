/** Layouts that somebody made to do harm: what is read stays below the layout, ends, and says so in plain text. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { gzipSync } from 'node:zlib'
import { MEDIA_TYPE } from '../../oci/descriptor.ts'
import { type Digest, digestOf } from '../../oci/digest.ts'
import { chooseImage } from './choose.ts'
import { collectContent } from './collect.ts'
import { LayoutError } from './layout.ts'
import { openLayout } from './open-layout.ts'

function temporary(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'berth-hostile-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

type Descriptor = { mediaType: string; digest: Digest; size: number }

/** A layout, and what puts documents into it. */
function layoutIn(folder: string) {
  mkdirSync(join(folder, 'blobs', 'sha256'), { recursive: true })
  writeFileSync(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  const add = (mediaType: string, document: unknown): Descriptor => {
    const bytes = Buffer.from(JSON.stringify(document))
    const digest = digestOf('sha256', bytes)
    writeFileSync(join(folder, 'blobs', digest.replace(':', '/')), bytes)
    return { mediaType, digest, size: bytes.length }
  }
  return {
    image(): Descriptor {
      const config = add('application/vnd.oci.image.config.v1+json', { os: 'linux', architecture: 'amd64' })
      return add(MEDIA_TYPE.ociManifest, {
        schemaVersion: 2,
        mediaType: MEDIA_TYPE.ociManifest,
        config,
        layers: [],
      })
    },
    index: (manifests: readonly unknown[]): Descriptor =>
      add(MEDIA_TYPE.ociIndex, { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests }),
    write: (manifests: readonly unknown[]): void =>
      writeFileSync(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests })),
  }
}

const failsWith =
  (message: RegExp) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof LayoutError, String(error))
    assert.match(error.message, message)
    return true
  }

test('what "docker save" wrote, unpacked: no file outside of it is an image\'s', async (t) => {
  const folder = temporary(t)
  const archive = join(folder, 'archive')
  mkdirSync(join(archive, 'sub'), { recursive: true })
  writeFileSync(join(folder, 'secret.json'), '{"auths":{}}')
  writeFileSync(join(folder, 'secret.gz'), gzipSync('secret'))
  symlinkSync('../secret.json', join(archive, 'link.json'))
  symlinkSync('../secret.gz', join(archive, 'link.gz'))
  writeFileSync(join(archive, 'config.json'), '{"rootfs":{"diff_ids":["x"]}}')
  writeFileSync(join(archive, 'layer.gz'), gzipSync('a layer'))
  symlinkSync('../layer.gz', join(archive, 'sub', 'layer.gz'))
  const rows: [config: string, layer: string, isGood: boolean][] = [
    ['config.json', 'sub/layer.gz', true],
    ['../secret.json', 'layer.gz', false],
    [join(folder, 'secret.json'), 'layer.gz', false],
    ['link.json', 'layer.gz', false],
    ['config.json', '../secret.gz', false],
    ['config.json', 'sub/../../secret.gz', false],
    ['config.json', 'link.gz', false],
  ]
  for (const [Config, layer, isGood] of rows) {
    writeFileSync(join(archive, 'manifest.json'), JSON.stringify([{ Config, Layers: [layer] }]))
    if (isGood) await openLayout(archive)
    else await assert.rejects(openLayout(archive), failsWith(/has no .*, which its manifest\.json names/))
  }
})

test('a pipe is no layout, nor in one; nor is what may not be read', { timeout: 5000 }, async (t) => {
  const folder = temporary(t)
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  await assert.rejects(openLayout(pipe), failsWith(/is neither a folder nor a file/))
  const layout = layoutIn(join(folder, 'layout'))
  const digest = `sha256:${'0'.repeat(64)}`
  execFileSync('mkfifo', [join(folder, 'layout', 'blobs', digest.replace(':', '/'))])
  layout.write([{ mediaType: MEDIA_TYPE.ociManifest, digest, size: 10 }])
  const opened = await openLayout(join(folder, 'layout'))
  assert.throws(() => chooseAndCollect(opened), failsWith(/does not have sha256:0/))
  const locked = join(folder, 'locked.tar')
  writeFileSync(locked, Buffer.alloc(1024), { mode: 0 })
  chmodSync(folder, 0o755)
  const isRoot = process.getuid?.() === 0
  if (isRoot) process.seteuid?.(65_534)
  try {
    await assert.rejects(openLayout(locked), failsWith(/cannot be read \(EACCES\)/))
  } finally {
    if (isRoot) process.seteuid?.(0)
  }
})

function chooseAndCollect(layout: Awaited<ReturnType<typeof openLayout>>, platform?: string) {
  return collectContent(layout, chooseImage(layout, { platform }))
}

test('indexes in indexes, deep and many times over', { timeout: 20_000 }, async (t) => {
  const deep = join(temporary(t), 'layout')
  const layout = layoutIn(deep)
  let top = layout.image()
  for (let depth = 0; depth < 50; depth++) top = layout.index([top])
  layout.write([top])
  const tooDeep = failsWith(/has indexes in indexes, more than 8 deep/)
  const opened = await openLayout(deep)
  assert.throws(() => chooseAndCollect(opened), tooDeep)
  assert.throws(() => chooseAndCollect(opened, 'linux/amd64'), tooDeep)
  // 100 ^ 8 ways lead to one image.
  const wide = join(temporary(t), 'layout')
  const many = layoutIn(wide)
  const image = many.image()
  top = image
  for (let depth = 0; depth < 8; depth++) top = many.index(Array<Descriptor>(100).fill(top))
  many.write([top])
  const openedWide = await openLayout(wide)
  assert.equal(chooseAndCollect(openedWide).manifests.length, 9)
  assert.equal(chooseImage(openedWide, { platform: 'linux/amd64' }).digest, image.digest)
})

test('sizes and digests that are none, literally', async (t) => {
  const digest = `sha256:${'0'.repeat(64)}`
  const rows: [descriptor: Record<string, unknown>, message: RegExp][] = [
    [{ digest, size: -1 }, /size must be a whole number of bytes, 0 or more/],
    [{ digest, size: 1.5 }, /size must be a whole number/],
    [{ digest, size: 1e300 }, /size must be a whole number/],
    [{ digest, size: '1' }, /size must be a number/],
    [{ digest: 'sha256:../../../../etc/passwd', size: 1 }, /is not a sha256 or sha512 digest/],
    [{ digest: `sha256:${'A'.repeat(64)}`, size: 1 }, /is not a sha256 or sha512 digest/],
    [{ digest, size: 2 ** 52 }, /does not have sha256:0/],
  ]
  for (const [descriptor, message] of rows) {
    const folder = join(temporary(t), 'layout')
    const layout = layoutIn(folder)
    layout.write([{ mediaType: MEDIA_TYPE.ociManifest, ...descriptor }])
    const opening = openLayout(folder).then((opened) => chooseAndCollect(opened))
    await assert.rejects(opening, failsWith(message))
  }
})

test('names and platforms do not move the cursor', async (t) => {
  const folder = join(temporary(t), 'layout')
  const layout = layoutIn(folder)
  const names = ['\u001b]0;owned\u0007one', 'two\n  other:1  sha256:0', '\u009b31mthree']
  const platform = { os: 'linux\u001b[2J', architecture: 'amd64' }
  const annotations = names.map((name) => ({ 'org.opencontainers.image.ref.name': name }))
  const others = annotations.map((one) => ({ ...layout.index([]), annotations: one, platform }))
  layout.write(others.map((one, at) => ({ ...one, digest: `sha256:${String(at).repeat(64)}` })))
  const opened = await openLayout(folder)
  assert.throws(
    () => chooseImage(opened, {}),
    (error: Error) => {
      assert.equal(error.message.split('\n').length, 4)
      assert.doesNotMatch(error.message, /[^\P{Cc}\n]/u)
      return true
    },
  )
})
