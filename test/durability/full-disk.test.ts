/**
 * Full disks: tmpfs and ext4, filled up to different points. A push is refused as clients understand it, what was
 * acknowledged is served, an overwritten tag keeps its old value, deletes and listings work with no byte free, and
 * pushes work again when there is room, without a restart.
 */
import assert from 'node:assert/strict'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { blobOf, digestOf, imageOf, type Blob, type Manifest } from '../lib/content.ts'
import type { Answer } from '../lib/http-client.ts'
import { cannotMount, cannotMountImages } from '../lib/prerequisite.ts'
import {
  createRegistryClient,
  errorOf,
  expectStatus,
  PUSH_METHODS,
  type RegistryClient,
} from '../lib/registry-client.ts'
import { startServer } from '../lib/start-server.ts'
import { afterwards, temporaryFolder } from '../lib/temporary.ts'
import { fillUp, makeImage, mountImage, mountTmpfs, unmount } from './mounts.ts'

const REPOSITORY = 'team/full'
/** Bytes left by the filler, in the order they are tried. */
const LEFT = [3_000_000, 1_000_000, 200_000, 40_000, 8_192, 0]

test('tmpfs of 64 MiB', { skip: cannotMount(), timeout: 120_000 }, (context) => {
  const mountPoint = join(temporaryFolder(context, 'full-tmpfs'), 'mounted')
  mountTmpfs(mountPoint, 64)
  afterwards(context, () => unmount(mountPoint))
  return fillDisk(context, mountPoint)
})

test('ext4 of 96 MiB', { skip: cannotMountImages('mkfs.ext4'), timeout: 120_000 }, (context) => {
  const folder = temporaryFolder(context, 'full-ext4')
  const mountPoint = join(folder, 'mounted')
  makeImage(join(folder, 'disk.img'), 'ext4', 96)
  mountImage(join(folder, 'disk.img'), mountPoint)
  afterwards(context, () => unmount(mountPoint))
  return fillDisk(context, mountPoint)
})

type Stock = {
  client: RegistryClient
  /** All that was acknowledged and not deleted. */
  blobs: Map<string, Blob>
  tags: Map<string, Manifest>
  problems: string[]
}

async function fillDisk(context: TestContext, mountPoint: string): Promise<void> {
  const root = join(mountPoint, 'data')
  mkdirSync(root)
  let server = await startServer({ root })
  afterwards(context, () => server.kill())
  const stock = await pushStock(server.url)
  for (const left of LEFT) {
    fillUp(mountPoint, 'filler', left)
    await pushWhileFull(stock, left)
    await compareStock(stock, `${left} bytes left`)
  }
  fillUp(mountPoint, 'filler', 0)
  await deleteWhileFull(stock)
  await compareStock(stock, 'after deletes with no byte free')
  rmSync(join(mountPoint, 'filler'))
  await pushWithRoom(stock)
  await compareStock(stock, 'with room again')
  stock.client.close()
  await server.stop()
  server = await startServer({ root })
  stock.client = createRegistryClient(server.url)
  await compareStock(stock, 'after a restart')
  stock.client.close()
  await server.stop()
  context.diagnostic(
    `${stock.blobs.size} blobs and ${stock.tags.size} tags at the end, ${stock.problems.length} problems`,
  )
  assert.deepEqual(stock.problems.slice(0, 15), [])
}

async function pushStock(url: string): Promise<Stock> {
  const client = createRegistryClient(url)
  const stock: Stock = { client, blobs: new Map(), tags: new Map(), problems: [] }
  const config = blobOf('full config', 500)
  expectStatus(await client.pushBlob(REPOSITORY, config, 'post-put'), 201)
  stock.blobs.set(config.digest, config)
  for (let index = 0; index < 60; index += 1) {
    const layer = blobOf(`full layer ${index}`, 30_000)
    expectStatus(await client.pushBlob(REPOSITORY, layer, 'post-put'), 201)
    stock.blobs.set(layer.digest, layer)
    const manifest = imageOf(config, [layer], { annotations: { index: String(index) } })
    for (const tag of index < 20 ? [`tag-${index}`] : [`tag-${index}`, `also-${index}`]) {
      expectStatus(await client.putManifest(REPOSITORY, tag, manifest), 201)
      stock.tags.set(tag, manifest)
    }
  }
  return stock
}

/** What a push may get while the disk is full: it fits, or it is refused as clients understand it. */
function judge(stock: Stock, what: string, answer: Answer | Error): boolean {
  if (answer instanceof Error) {
    stock.problems.push(`${what}: ${answer.message}`)
    return false
  }
  if (answer.status < 300) return true
  const { code, message } = errorOf(answer)
  const understood = answer.status >= 400 && answer.status < 500 && code === 'DENIED'
  if (!understood || !/no space left on device/.test(message) || /(^|[\s'"])\/\w/.test(message))
    stock.problems.push(`${what}: ${answer.status} ${code} ${message}`)
  return false
}

const orError = (answer: Promise<Answer>): Promise<Answer | Error> => answer.catch((error: Error) => error)

async function pushWhileFull(stock: Stock, left: number): Promise<void> {
  const { client } = stock
  for (const size of [3_000, 150_000, 4_000_000]) {
    for (const method of PUSH_METHODS) {
      const blob = blobOf(`${left} ${method} ${size}`, size)
      const answer = await orError(client.pushBlob(REPOSITORY, blob, method))
      if (judge(stock, `${size} bytes by ${method} with ${left} left`, answer))
        stock.blobs.set(blob.digest, blob)
    }
  }
  const [config, layer] = [...stock.blobs.values()]
  if (!config || !layer) throw new Error('no stock')
  for (let index = 0; index < 10; index += 1) {
    const annotations = { left: String(left), index: String(index), padding: 'x'.repeat(20_000) }
    const manifest = imageOf(config, [layer], { annotations })
    const tag = `tag-${index}`
    const answer = await orError(client.putManifest(REPOSITORY, tag, manifest))
    if (judge(stock, `overwriting ${tag} with ${left} left`, answer)) stock.tags.set(tag, manifest)
  }
}

async function deleteWhileFull(stock: Stock): Promise<void> {
  const { client } = stock
  const remove = async (what: string, send: () => Promise<Answer>): Promise<boolean> => {
    const answer = await orError(send())
    if (!(answer instanceof Error) && answer.status === 202) return true
    const told = answer instanceof Error ? answer.message : `${answer.status} ${errorOf(answer).message}`
    stock.problems.push(`deleting ${what} with no byte free: ${told}`)
    return false
  }
  for (let index = 20; index < 60; index += 1) {
    if (await remove(`tag also-${index}`, () => client.deleteManifest(REPOSITORY, `also-${index}`)))
      stock.tags.delete(`also-${index}`)
  }
  for (let index = 40; index < 60; index += 1) {
    const tag = `tag-${index}`
    const digest = stock.tags.get(tag)?.digest ?? ''
    if (await remove(`manifest of ${tag}`, () => client.deleteManifest(REPOSITORY, digest)))
      stock.tags.delete(tag)
    const layer = blobOf(`full layer ${index}`, 30_000)
    if (await remove(`blob ${index}`, () => client.deleteBlob(REPOSITORY, layer.digest)))
      stock.blobs.delete(layer.digest)
  }
}

async function pushWithRoom(stock: Stock): Promise<void> {
  const { client } = stock
  const config = [...stock.blobs.values()][0]
  if (!config) throw new Error('no stock')
  for (const method of PUSH_METHODS) {
    const blob = blobOf(`room ${method}`, 300_000)
    const answer = await orError(client.pushBlob(REPOSITORY, blob, method))
    if (answer instanceof Error || answer.status !== 201) {
      stock.problems.push(
        `with room again, by ${method}: ${answer instanceof Error ? answer : answer.status}`,
      )
      continue
    }
    stock.blobs.set(blob.digest, blob)
    const manifest = imageOf(config, [blob])
    expectStatus(await client.putManifest(REPOSITORY, 'tag-0', manifest), 201)
    stock.tags.set('tag-0', manifest)
  }
}

/** Everything acknowledged is there with its bytes, everything deleted is not, the list says the same. */
async function compareStock(stock: Stock, when: string): Promise<void> {
  const { client, problems } = stock
  for (const blob of stock.blobs.values()) {
    const answer = await orError(client.getBlob(REPOSITORY, blob.digest))
    if (answer instanceof Error || answer.status !== 200)
      problems.push(`${when}: blob ${blob.digest}: ${answer instanceof Error ? answer : answer.status}`)
    else if (digestOf(answer.body) !== blob.digest) problems.push(`${when}: WRONG BYTES of ${blob.digest}`)
  }
  for (const [tag, manifest] of stock.tags) {
    const answer = await orError(client.getManifest(REPOSITORY, tag))
    if (answer instanceof Error || answer.status !== 200)
      problems.push(`${when}: ${tag}: ${answer instanceof Error ? answer : answer.status}`)
    else if (digestOf(answer.body) !== manifest.digest)
      problems.push(`${when}: ${tag} is another manifest than the last acknowledged`)
  }
  const listed = await client.listTags(REPOSITORY).catch((error: Error) => [error.message])
  const expected = [...stock.tags.keys()].sort()
  if (JSON.stringify([...(listed ?? [])].sort()) !== JSON.stringify(expected))
    problems.push(`${when}: ${listed?.length ?? 'no'} tags listed, ${expected.length} expected`)
}
