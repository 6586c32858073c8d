/** What disks, operators and old versions have left behind in folders of Distribution. */
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Filled } from './contents.ts'

export const TREE = 'docker/registry/v2'

export function blobFile(root: string, digest: string): string {
  const [algorithm = '', hex = ''] = digest.split(':')
  return join(root, TREE, 'blobs', algorithm, hex.slice(0, 2), hex, 'data')
}

export const schema1 = Buffer.from(
  JSON.stringify({
    schemaVersion: 1,
    name: 'damaged',
    tag: 'old',
    fsLayers: [],
    history: [],
    signatures: [],
  }),
)
const schema1Digest = `sha256:${createHash('sha256').update(schema1).digest('hex')}`

const repository = (root: string): string => join(root, TREE, 'repositories/damaged')
const pathOf = (digest: string): string => digest.replace(':', '/')

function write(file: string, text: string | Buffer): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

/** Puts back what Distribution's own garbage collection stumbles over; it did so before the takeover. */
export function clearStumblingBlocks(root: string, { victims }: Filled): void {
  rmSync(join(repository(root), '_manifests/revisions', pathOf(schema1Digest)), { recursive: true })
  rmSync(join(repository(root), '_manifests/tags/old'), { recursive: true })
  rmSync(join(repository(root), '_layers', pathOf(victims.unlinked.layer.digest)), { recursive: true })
}

/** @returns requests that are answered otherwise from now on */
export function damage(root: string, { victims }: Filled): string[] {
  const { lost, truncated, unlinked, dangling } = victims
  rmSync(dirname(blobFile(root, lost.layer.digest)), { recursive: true })
  truncateSync(blobFile(root, truncated.layer.digest), 4000)
  truncateSync(join(repository(root), '_layers', pathOf(unlinked.layer.digest), 'link'))
  rmSync(join(repository(root), '_manifests/revisions', pathOf(dangling.image.digest)), { recursive: true })
  write(blobFile(root, schema1Digest), schema1)
  write(join(repository(root), '_manifests/revisions', pathOf(schema1Digest), 'link'), schema1Digest)
  write(join(repository(root), '_manifests/tags/old/current/link'), schema1Digest)
  write(join(repository(root), '_manifests/tags/old/index', pathOf(schema1Digest), 'link'), schema1Digest)
  const leftover = '.0190d4ad-75fa-7f3e-a3d8-9d4f0e8b1c2a.tmp'
  write(`${blobFile(root, lost.layer.digest)}${leftover}`, 'half of')
  write(`${join(repository(root), '_manifests/tags/whole/current/link')}${leftover}`, 'sha256:')
  return [
    `blob damaged ${lost.layer.digest}`,
    `blob damaged ${truncated.layer.digest}`,
    `blob damaged ${unlinked.layer.digest}`,
    `manifest damaged ${dangling.image.digest}`,
    'manifest damaged dangling',
  ]
}

export function linkText(root: string, path: string): string {
  return readFileSync(join(root, TREE, 'repositories', path), 'utf8')
}
