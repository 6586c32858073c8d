/**
 * What a deleted image of 1 GiB gives back: the disk before and after, while a client is in the middle of pulling it.
 * Only with BERTH_SLOW=1. An hour passes in a second, so that the lease of the push ends within the test.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  blobOf,
  bytesOfLength,
  digestOfLength,
  manifestOf,
  OCI_CONFIG,
  OCI_LAYER,
  OCI_MANIFEST,
} from '../lib/content.ts'
import {
  createRegistryClient,
  expectStatus,
  locationOf,
  type RegistryClient,
} from '../lib/registry-client.ts'
import { memoryOf } from '../lib/start-server.ts'
import { afterwards, temporaryFolder } from '../lib/temporary.ts'
import { createClocked, HOUR_MS } from './clocked.ts'

const MIB = 1024 * 1024
const LAYERS = 4
const LAYER_BYTES = 256 * MIB
const REPOSITORY = 'large/image'
const SECONDS = 300
const skip =
  process.platform !== 'linux'
    ? 'SKIPPED: needs Linux'
    : process.env['BERTH_SLOW'] === undefined && 'BERTH_SLOW=1 runs it'

/** What the objects take on the disk, in MiB, as du counts. */
function diskOf(root: string): number {
  const objects = join(root, 'berth', 'objects')
  const names = readdirSync(objects, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.includes('.'),
  )
  const blocks = names.reduce((sum, name) => sum + (lstatSync(join(objects, name)).blocks ?? 0), 0)
  return Math.round((blocks * 512) / MIB)
}

/** What a process holds of files whose name is gone, in MiB: the disk has it back when they are closed. */
function heldBy(pid: number): number {
  let bytes = 0
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    const path = `/proc/${pid}/fd/${fd}`
    try {
      if (/\/objects\/.* \(deleted\)$/.test(readlinkSync(path))) bytes += statSync(path).size
    } catch {
      // closed meanwhile
    }
  }
  return Math.round(bytes / MIB)
}

async function pushLayer(client: RegistryClient, seed: string): Promise<string> {
  const digest = await digestOfLength(seed, LAYER_BYTES)
  const begun = expectStatus(await client.startUpload(REPOSITORY), 202)
  const patched = await client.ask('PATCH', locationOf(begun), {
    headers: { 'content-type': 'application/octet-stream' },
    body: bytesOfLength(seed, LAYER_BYTES),
    timeout: SECONDS * 1000,
  })
  expectStatus(patched, 202)
  expectStatus(await client.finishUpload(locationOf(patched), digest), 201)
  return digest
}

/** Reads a piece now and then, until it is told to hurry. */
async function pullSlowly(url: string, digest: string, hurry: AbortSignal): Promise<string> {
  const response = await fetch(`${url}/v2/${REPOSITORY}/blobs/${digest}`)
  const hash = createHash('sha256')
  for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
    hash.update(piece)
    if (!hurry.aborted) await sleep(200, undefined, { signal: hurry }).catch(() => undefined)
  }
  return `sha256:${hash.digest('hex')}`
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const ends = performance.now() + SECONDS * 1000
  while (!holds()) {
    assert.ok(performance.now() < ends, what)
    await sleep(100)
  }
}

test('a deleted image of 1 GiB', { skip, timeout: 3 * SECONDS * 1000 }, async (context) => {
  const clocked = createClocked(
    temporaryFolder(context, 'gigabyte'),
    temporaryFolder(context, 'commands'),
    HOUR_MS / 1000,
  )
  const server = await clocked.serve('1h')
  afterwards(context, () => server.kill())
  const client = createRegistryClient(server.url)
  afterwards(context, () => client.close())
  let began = performance.now()
  const tell = (what: string): void => {
    const seconds = ((performance.now() - began) / 1000).toFixed(1)
    const { now, peak } = memoryOf(server.pid)
    context.diagnostic(
      `${what}: ${seconds} s; disk ${diskOf(clocked.root)} MiB, held open ${heldBy(server.pid)} MiB; memory ${now} MiB, at most ${peak} MiB`,
    )
    began = performance.now()
  }
  tell('empty')

  const digests: string[] = []
  for (let n = 0; n < LAYERS; n++) digests.push(await pushLayer(client, `gigabyte ${n}`))
  const config = blobOf('gigabyte config', 300)
  expectStatus(await client.pushBlob(REPOSITORY, config, 'post'), 201)
  const image = manifestOf({
    ...{ schemaVersion: 2, mediaType: OCI_MANIFEST },
    config: { mediaType: OCI_CONFIG, digest: config.digest, size: config.bytes.length },
    layers: digests.map((digest) => ({ mediaType: OCI_LAYER, digest, size: LAYER_BYTES })),
  })
  expectStatus(await client.putManifest(REPOSITORY, 'latest', image), 201)
  tell('pushed')
  assert.ok(diskOf(clocked.root) >= 1024)

  expectStatus(await client.deleteManifest(REPOSITORY, image.digest), 202)
  const hurry = new AbortController()
  const [pulled = ''] = digests
  const pull = pullSlowly(server.url, pulled, hurry.signal)
  await sleep(500)
  tell('deleted, and one layer is being pulled')
  assert.ok(diskOf(clocked.root) >= 1024)

  await until('the registry frees the space by itself', () => diskOf(clocked.root) === 0)
  tell('36 hours later, collected by the registry itself')
  assert.equal(heldBy(server.pid), LAYER_BYTES / MIB, 'the layer that is being pulled')
  hurry.abort()
  assert.equal(await pull, pulled, 'the pull ends whole')
  await until('the pulled layer is let go', () => heldBy(server.pid) === 0)
  tell('the pull has ended whole')
  const { stdout } = await clocked.run('check', '--rehash')
  assert.match(stdout, /all is well/)
})
