/**
 * There and back: a real CNCF Distribution is filled over HTTP, its folder damaged on purpose, taken over by Berth,
 * changed there, written back, and served by Distribution again. Whatever one serves is compared with what the other
 * one did, byte for byte.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { blobOf, descriptorOf, digestOf, imageOf, indexOf } from '../lib/content.ts'
import { programPath } from '../lib/prerequisite.ts'
import { createRegistryClient, expectStatus, type RegistryClient } from '../lib/registry-client.ts'
import { startServer, type TestServer } from '../lib/start-server.ts'
import { afterwards, temporaryFolder } from '../lib/temporary.ts'
import {
  askForAll,
  createLedger,
  createPusher,
  differencesOfServed,
  fill,
  type Filled,
  type Ledger,
  type Served,
} from './contents.ts'
import { isSameBlob } from './expected.ts'
import { clearStumblingBlocks, damage } from './damage.ts'
import { collectGarbage, type Peer, PEERS, startPeer } from './peers.ts'
import { differencesOfFolders, dumpFolder } from './still-folder.ts'

for (const peer of PEERS) {
  test(`${peer.name}: taken over and written back`, { skip: peer.skip, timeout: 120_000 }, async (t) => {
    const root = temporaryFolder(t, 'round-trip')
    const ledger = createLedger()
    const { filled, before } = await fillPeer(t, peer, root, ledger)
    const lost = damage(root, filled)
    const lies = dumpFolder(join(root, 'docker'))

    const taken = await serveWithBerth(t, root, async (client, server) => {
      await completed(server)
      const served = await askForAll(client, ledger)
      assert.deepEqual(differencesOfServed(before, served, taking(lost)), [])
      await askReferrers(client, filled)
      pullWithClient(t, server, root)
      assert.deepEqual(differencesOfFolders(lies, dumpFolder(join(root, 'docker'))), [])
      for (const word of [
        'layer-without-data',
        'bad-link',
        'schema1',
        'tag-without-revision',
        'size-differs',
      ])
        assert.match(server.log(), new RegExp(word), 'what is not as it was is reported')
      await change(client, ledger, filled)
      return askForAll(client, ledger)
    })

    await serveCopy(t, peer, root, ledger, taken)
    const report = exportTo(root)
    assert.equal(report.repositories, 18)
    const returned = await serveWithPeer(t, peer, root, (client) => askForAll(client, ledger))
    assert.deepEqual(differencesOfServed(taken, returned, returning), [])
    const { list: _list, ...counts } = report
    t.diagnostic(
      `${peer.name} served ${told(before)} before, and ${told(returned)} afterwards; export: ${JSON.stringify(counts)}`,
    )

    clearStumblingBlocks(root, filled)
    const { status, log } = collectGarbage(peer, root)
    assert.equal(status, 0, log)
    const last = await serveWithPeer(t, peer, root, async (client) => {
      const served = await askForAll(client, ledger)
      await pushMore(client)
      return served
    })
    assert.deepEqual(differencesOfServed(returned, last, collecting(returned)), [])
    await startAgain(t, root, ledger, taken)
  })
}

async function fillPeer(t: TestContext, peer: Peer, root: string, ledger: Ledger) {
  return serveWithPeer(t, peer, root, async (client) => {
    const filled = await fill(client, ledger)
    return { filled, before: await askForAll(client, ledger) }
  })
}

async function serveWithPeer<T>(
  t: TestContext,
  peer: Peer,
  root: string,
  work: (client: RegistryClient) => Promise<T>,
): Promise<T> {
  return serve(t, await startPeer(peer, root), work)
}

async function serveWithBerth<T>(
  t: TestContext,
  root: string,
  work: (client: RegistryClient, server: TestServer) => Promise<T>,
): Promise<T> {
  return serve(t, await startServer({ root }), work)
}

async function serve<T>(
  t: TestContext,
  server: TestServer,
  work: (client: RegistryClient, server: TestServer) => Promise<T>,
): Promise<T> {
  afterwards(t, () => server.kill())
  const client = createRegistryClient(server.url)
  try {
    return await work(client, server)
  } finally {
    client.close()
    await server.stop()
  }
}

async function completed(server: TestServer): Promise<void> {
  for (const deadline = Date.now() + 20_000; !server.log().includes('takeover complete');) {
    assert.ok(Date.now() < deadline, server.log())
    await sleep(20)
  }
}

/** What the damage changed, and where Berth answers otherwise on purpose. */
function taking(lost: readonly string[]) {
  return (key: string, before = '', after = ''): boolean => {
    if (lost.includes(key)) return after === '404'
    // Neither what points to nothing, nor what nobody can serve.
    if (key === 'tags damaged') return after === '["lost","truncated","unlinked","whole"]'
    // 2.8 wants the type in Accept for what does not tell its own, and lists what has only blobs.
    if (key === 'catalog') return isPart(after, before) && !after.includes('alone')
    return isSameBlob(key, before, after)
  }
}

function isPart(part: string, all: string): boolean {
  const names = new Set(JSON.parse(all) as string[])
  return (JSON.parse(part) as string[]).every((name) => names.has(name))
}

/** What was in the way before is so again, and told. Distribution lists tags that lead nowhere: they were there before, and Berth never had them. */
function returning(key: string, before = '', after = ''): boolean {
  if (before === '404' && after === '500') return key.startsWith('blob damaged ')
  if (key === 'tags damaged') return after === '["dangling","lost","old","truncated","unlinked","whole"]'
  if (key === 'catalog') return isPart(before, after)
  return isSameBlob(key, before, after)
}

/** Distribution's garbage collection takes blobs that no manifest names; Berth would in a day. */
function collecting(served: Served) {
  return (key: string, before = '', after = ''): boolean => {
    if (key.startsWith('blob '))
      return after === '404' && (before === '500' || !served.has(key.replace('blob', 'named')))
    return key === 'tags damaged' && isPart(after, before)
  }
}

const told = (served: Served): string => {
  const good = [...served].filter(([, answer]) => answer.startsWith('200'))
  const count = (kind: string): number => good.filter(([key]) => key.startsWith(kind)).length
  return `${count('manifest')} manifests by tag and digest and ${count('blob')} blobs`
}

async function askReferrers(client: RegistryClient, { subject, signature }: Filled): Promise<void> {
  const answer = expectStatus(await client.ask('GET', `/v2/signed/referrers/${subject.digest}`), 200)
  const { manifests } = JSON.parse(answer.body.toString()) as { manifests: { digest: string }[] }
  assert.deepEqual(
    manifests.map(({ digest }) => digest),
    [signature.digest],
  )
}

/** With skopeo, where it is. */
function pullWithClient(t: TestContext, server: TestServer, root: string): void {
  const skopeo = programPath('skopeo')
  if (skopeo === undefined) return t.diagnostic('skopeo is not on this machine: no pull with it')
  const image = join(root, 'pulled')
  const source = `docker://${server.host}/shared/two:same`
  const args = ['copy', '--src-tls-verify=false', '--insecure-policy', source, `dir:${image}`]
  const { status, stderr } = spawnSync(skopeo, args, { encoding: 'utf8', timeout: 30_000 })
  rmSync(image, { recursive: true, force: true })
  assert.equal(status, 0, stderr)
}

/** Pushes, moves and deletes as clients do, once Berth has the folder. */
async function change(client: RegistryClient, ledger: Ledger, { victims }: Filled): Promise<void> {
  const push = createPusher(client, ledger)
  const bytes = Buffer.from('{"architecture":"amd64","os":"linux","comment":"since"}')
  const settings = { bytes, digest: digestOf(bytes) }
  const [layer, long] = [blobOf('since', 200_000), Buffer.from('sha512, and new')]
  const longer = { bytes: long, digest: digestOf(long, 'sha512') }
  for (const repository of ['new/one', 'a/b', 'moved', 'signed'])
    for (const blob of [settings, layer, longer]) await push.blob(repository, blob)
  const image = imageOf(settings, [layer])
  const second = imageOf(settings, [layer, longer])
  for (const repository of ['new/one', 'a/b', 'moved']) await push.manifest(repository, 'latest', image)
  await push.manifest('new/one', 'latest', second)
  await push.manifest('new/one', 'all', indexOf([descriptorOf(image), descriptorOf(second)]))
  // A manifest known by its sha512.
  await push.manifest('new/one', digestOf(image.bytes, 'sha512'), {
    ...image,
    digest: digestOf(image.bytes, 'sha512'),
  })
  const about = imageOf(settings, [layer], { subject: descriptorOf(image) })
  await push.manifest('signed', about.digest, about)
  // Whoever still has it brings back what was damaged.
  await push.blob('damaged', victims.lost.layer)
  expectStatus(await client.deleteManifest('a-b', 'latest'), 202)
  const { digest } = JSON.parse((await client.getManifest('a/b/c', 'v1.10')).body.toString()) as {
    digest: string
  }
  assert.equal(digest, undefined)
  const deleted = String((await client.statManifest('a/b/c', 'v1.10')).headers['docker-content-digest'])
  expectStatus(await client.deleteManifest('a/b/c', deleted), 202)
  const alone = blobOf('alone', 4321)
  expectStatus(await client.deleteBlob('blobs-alone', alone.digest), 202)
  // Nothing else is left of it.
  for (const tag of ['latest', 'v1.10']) {
    const only = String((await client.statManifest('library/app_x', tag)).headers['docker-content-digest'])
    expectStatus(await client.deleteManifest('library/app_x', only), 202)
  }
}

/** Another folder gets what Berth serves, and nothing of what was in its way. */
async function serveCopy(
  t: TestContext,
  peer: Peer,
  root: string,
  ledger: Ledger,
  taken: Served,
): Promise<void> {
  const copy = `${root}-copy`
  afterwards(t, () => rmSync(copy, { recursive: true, force: true }))
  const { status, report, stderr } = runExport(root, '--to', copy)
  assert.equal(status, 1, stderr)
  assert.deepEqual([report.repositories, report.remarks['damaged-blob']], [18, 1])
  assert.ok((report.remarks['never-taken-over'] ?? 0) >= 5)
  const served = await serveWithPeer(t, peer, copy, (client) => askForAll(client, ledger))
  const expected = (key: string, before = '', after = ''): boolean =>
    key === 'catalog' ? isPart(before, after) : isSameBlob(key, before, after)
  assert.deepEqual(differencesOfServed(taken, served, expected), [])
}

type Report = {
  repositories: number
  remarks: Record<string, number>
  list: { detail: string }[]
}

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname

function runExport(root: string, ...more: string[]) {
  const file = join(root, 'config.json')
  const storage = { filesystem: { rootdirectory: root } }
  writeFileSync(file, JSON.stringify({ version: 0.1, storage }))
  const args = [MAIN, 'export', 'distribution', '-c', file, '--json', ...more]
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 60_000 })
  rmSync(file)
  return { status, stderr, report: JSON.parse(stdout || '{}') as Report }
}

function exportTo(root: string): Report {
  const { report, stderr } = runExport(root)
  assert.equal(report.remarks?.['referrers'], 1, stderr)
  assert.equal(report.remarks['in-the-way'], 2)
  return report
}

async function pushMore(client: RegistryClient): Promise<void> {
  const push = createPusher(client, createLedger())
  const bytes = Buffer.from('{"comment":"by Distribution, later"}')
  const settings = { bytes, digest: digestOf(bytes) }
  await push.blob('a', settings)
  await push.manifest('a', 'later', imageOf(settings, []))
  await push.manifest('a', 'latest', imageOf(settings, []))
}

/** Berth serves what it knows; what Distribution wrote since is not taken, not removed, and said. */
async function startAgain(t: TestContext, root: string, ledger: Ledger, before: Served): Promise<void> {
  await serveWithBerth(t, root, async (client) => {
    const served = await askForAll(client, ledger)
    // Where Distribution itself had put it, its garbage collection has removed it; a second name is left.
    const isLong = (key: string): boolean => key.startsWith('blob long-digests sha512:')
    const isGone = collecting(before)
    const differs = differencesOfServed(before, served, (key, ...two) => isLong(key) || isGone(key, ...two))
    assert.deepEqual(differs, [])
  })
  const lies = dumpFolder(join(root, 'docker'))
  const { status, report, stderr } = runExport(root)
  assert.equal(status, 1, stderr)
  assert.ok((report.remarks['written-later'] ?? 0) >= 2, JSON.stringify(report.remarks))
  const changed = differencesOfFolders(lies, dumpFolder(join(root, 'docker')))
  // Its garbage collection has removed links that Berth has: these come back.
  assert.deepEqual(
    changed.filter((line) => !line.includes(': absent → ')),
    [],
  )
}
