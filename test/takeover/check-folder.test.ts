/**
 * What is read from folders that real CNCF Distributions wrote is what these serve, and `berth import --check` tells
 * what was damaged on purpose; neither changes anything.
 */
import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { test, type TestContext } from 'node:test'
import { checkFolder, type FolderReport, hasLosses } from '../../src/takeover/check-folder.ts'
import { readRepository } from '../../src/takeover/read-repository.ts'
import { walkRepositories } from '../../src/takeover/repositories.ts'
import { createRegistryClient, type RegistryClient } from '../lib/registry-client.ts'
import { afterwards, temporaryFolder } from '../lib/temporary.ts'
import { catalogOf, createLedger, fill, type Ledger } from './contents.ts'
import { damage } from './damage.ts'
import { type Peer, PEERS, startPeer } from './peers.ts'
import { differencesOfFolders, dumpFolder } from './still-folder.ts'

/** What a registry has: `blob <repository> <digest>`, `manifest …`, `tag <repository> <tag> <digest>`, `listed …`. */
type Has = Set<string>

async function readAll(root: string): Promise<Has> {
  const has: Has = new Set()
  for await (const { name, published } of walkRepositories(root)) {
    if (published) has.add(`listed ${name}`)
    for (const { blobs, manifests, tags } of readRepository(root, name)) {
      for (const { digest } of blobs) has.add(`blob ${name} ${digest}`)
      for (const { digest } of manifests) has.add(`manifest ${name} ${digest}`)
      for (const { name: tag, digest } of tags) has.add(`tag ${name} ${tag} ${digest}`)
    }
  }
  return has
}

async function askAll(client: RegistryClient, ledger: Ledger): Promise<Has> {
  const has: Has = new Set()
  for (const name of await catalogOf(client)) has.add(`listed ${name}`)
  for (const entry of ledger.blobs) {
    const [repository = '', digest = ''] = entry.split(' ')
    if ((await client.statBlob(repository, digest)).status === 200) has.add(`blob ${entry}`)
  }
  for (const entry of ledger.manifests) {
    const [repository = '', digest = ''] = entry.split(' ')
    if ((await client.getManifest(repository, digest)).status === 200) has.add(`manifest ${entry}`)
  }
  for (const repository of ledger.repositories) {
    for (const tag of (await client.listTags(repository)) ?? []) {
      const { status, headers } = await client.getManifest(repository, tag)
      if (status === 200) has.add(`tag ${repository} ${tag} ${String(headers['docker-content-digest'])}`)
    }
  }
  return has
}

const missingIn = (all: Has, from: Has): string[] => [...all].filter((one) => !from.has(one)).sort()

function check(root: string, rehash: boolean): Promise<FolderReport> {
  return checkFolder({ dataFolder: root, rehash, examples: Infinity, onProgress: () => undefined })
}

const kindsOf = ({ findings }: FolderReport): Record<string, number> =>
  Object.fromEntries(Object.entries(findings).map(([kind, { count }]) => [kind, count]))

async function readAndCheck(t: TestContext, peer: Peer): Promise<void> {
  const root = temporaryFolder(t, 'takeover')
  const server = await startPeer(peer, root)
  afterwards(t, () => server.stop())
  const client = createRegistryClient(server.url)
  afterwards(t, () => client.close())
  const ledger = createLedger()
  const filled = await fill(client, ledger)

  const [has, serves] = [await readAll(root), await askAll(client, ledger)]
  assert.deepEqual(
    missingIn(serves, has).filter((one) => !isListedBy2Only(peer, one)),
    [],
  )
  assert.deepEqual(missingIn(has, serves), [])
  assert.ok(has.size > 150, `${has.size}`)

  const before = dumpFolder(root)
  const whole = await check(root, true)
  assert.deepEqual(kindsOf(whole), { 'unfinished-upload': 2 })
  assert.equal(hasLosses(whole), false)
  assert.ok(
    whole.users.some(({ pid }) => pid === server.pid) || process.platform !== 'linux',
    'it still runs',
  )

  damage(root, filled)
  const damaged = await check(root, true)
  assert.deepEqual(kindsOf(damaged), {
    'unfinished-upload': 2,
    // Of the link, and of the image that names it.
    'layer-without-data': 2,
    'size-differs': 1,
    'bad-link': 1,
    'layer-without-link': 1,
    // One to a manifest that is gone, one to schema 1.
    'tag-without-revision': 2,
    schema1: 1,
    // The blob's file that was being written.
    'unknown-file': 1,
  })
  assert.equal(damaged.rehashed?.damaged.length, 1)
  assert.equal(hasLosses(damaged), true)

  const touched = statSync(root).mtimeMs
  const still = dumpFolder(root)
  await check(root, true)
  assert.deepEqual(differencesOfFolders(still, dumpFolder(root)), [])
  assert.equal(statSync(root).mtimeMs, touched)
  assert.ok(differencesOfFolders(before, still).length > 0)
}

/** 2.8 lists what has only blobs. */
function isListedBy2Only({ name }: Peer, one: string): boolean {
  return name === 'Distribution 2.8' && /^listed (?:blobs-alone|shared\/one)$/.test(one)
}

for (const peer of PEERS) {
  test(`${peer.name}: what is read is what it serves, and damage is told`, { skip: peer.skip }, (t) =>
    readAndCheck(t, peer),
  )
}
