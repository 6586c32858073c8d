/** What is pushed to a registry before it is taken over, and what a registry then serves of it. */
import { createHash } from 'node:crypto'
import {
  type Blob,
  blobOf,
  descriptorOf,
  digestOf,
  imageOf,
  indexOf,
  type Manifest,
  manifestOf,
} from '../lib/content.ts'
import { expectStatus, locationOf, nextOf, type RegistryClient } from '../lib/registry-client.ts'

const DOCKER = 'application/vnd.docker.distribution.manifest.v2+json'
const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json'
const DOCKER_LAYER = 'application/vnd.docker.image.rootfs.diff.tar.gzip'

/** What is to be asked for: also what is no longer, or never was, there. */
export type Ledger = {
  blobs: Set<string>
  manifests: Set<string>
  /** `repository tag` */
  tags: Set<string>
  repositories: Set<string>
}

export function createLedger(): Ledger {
  return { blobs: new Set(), manifests: new Set(), tags: new Set(), repositories: new Set() }
}

export function createPusher(client: RegistryClient, ledger: Ledger) {
  return {
    async blob(repository: string, blob: Blob): Promise<Blob> {
      ledger.repositories.add(repository)
      ledger.blobs.add(`${repository} ${blob.digest}`)
      expectStatus(await client.pushBlob(repository, blob, 'post-put'), 201)
      return blob
    },
    async mount(repository: string, blob: Blob, from: string): Promise<void> {
      ledger.repositories.add(repository)
      ledger.blobs.add(`${repository} ${blob.digest}`)
      expectStatus(await client.mountBlob(repository, blob.digest, from), 201)
    },
    async manifest(repository: string, reference: string, manifest: Manifest): Promise<Manifest> {
      ledger.repositories.add(repository)
      ledger.manifests.add(`${repository} ${manifest.digest}`)
      if (!reference.includes(':')) ledger.tags.add(`${repository} ${reference}`)
      expectStatus(await client.putManifest(repository, reference, manifest), 201)
      return manifest
    },
  }
}

type Pusher = ReturnType<typeof createPusher>

const config = (text: string): Blob => {
  const bytes = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', comment: text }))
  return { bytes, digest: digestOf(bytes) }
}

function dockerImage(settings: Blob, layers: Blob[]): Manifest {
  return manifestOf({
    schemaVersion: 2,
    mediaType: DOCKER,
    config: { ...descriptorOf(settings), mediaType: 'application/vnd.docker.container.image.v1+json' },
    layers: layers.map((layer) => ({ ...descriptorOf(layer), mediaType: DOCKER_LAYER })),
  })
}

const on = (manifest: Manifest, architecture: string, more: Record<string, unknown> = {}) => ({
  ...descriptorOf(manifest),
  platform: { architecture, os: 'linux' },
  ...more,
})

/** What the damage, and what comes after, refer to. */
export type Filled = {
  /** In repository `damaged`, each in an image of its own, tagged by its key. */
  victims: Record<'lost' | 'truncated' | 'unlinked' | 'dangling', { layer: Blob; image: Manifest }>
  subject: Manifest
  signature: Manifest
}

/** All kinds of content, by one client after the other; a few seconds. */
export async function fill(client: RegistryClient, ledger: Ledger): Promise<Filled> {
  const push = createPusher(client, ledger)
  await fillImages(push)
  await fillIndexes(push)
  await fillShared(client, push, ledger)
  await fillDeleted(client, push)
  await fillOddments(client, push)
  return { ...(await fillReferrers(push)), victims: await fillVictims(push) }
}

async function image(push: Pusher, repository: string, seed: string, tag: string): Promise<Manifest> {
  const [settings, layer] = [config(`${repository} ${seed}`), blobOf(`${repository} ${seed}`, 5000)]
  await push.blob(repository, settings)
  await push.blob(repository, layer)
  return push.manifest(repository, tag, imageOf(settings, [layer]))
}

/** Also names that stand in each other's folders. */
async function fillImages(push: Pusher): Promise<void> {
  for (const repository of ['a', 'a/b', 'a-b', 'a/b/c', 'library/app_x', 'z9.y__x/w'])
    for (const tag of ['latest', 'v1.10']) await image(push, repository, tag, tag)
  const [settings, big, empty] = [config('docker'), blobOf('big', 3_000_000), blobOf('', 0)]
  for (const blob of [settings, big, empty]) await push.blob('docker', blob)
  await push.manifest('docker', 'v2', dockerImage(settings, [big, empty]))
  // Its type is told by nothing but its shape.
  const { mediaType, ...bare } = JSON.parse(imageOf(settings, [big]).bytes.toString()) as Record<
    string,
    unknown
  >
  const bytes = Buffer.from(JSON.stringify(bare))
  await push.manifest('docker', 'bare', { bytes, digest: digestOf(bytes), mediaType: String(mediaType) })
}

async function fillIndexes(push: Pusher): Promise<void> {
  const [one, two, settings, layer] = [config('1'), config('2'), config('docker'), blobOf('listed', 999)]
  for (const blob of [one, two, settings, layer]) await push.blob('multi', blob)
  const amd = await push.manifest('multi', imageOf(one, [layer]).digest, imageOf(one, [layer]))
  const arm = await push.manifest('multi', imageOf(two, [layer]).digest, imageOf(two, [layer]))
  const docker = dockerImage(settings, [layer])
  await push.manifest('multi', docker.digest, docker)
  const list = { schemaVersion: 2, mediaType: DOCKER_LIST, manifests: [on(docker, 'amd64')] }
  await push.manifest('multi', 'list', manifestOf(list))
  const index = await push.manifest('multi', 'index', indexOf([on(amd, 'amd64'), on(arm, 'arm64')]))
  await push.manifest('multi', 'nested', indexOf([descriptorOf(index)]))
  // As a builder pushes what it says of an image.
  const statement = blobOf('in-toto', 400)
  await push.blob('multi', statement)
  const attestation = imageOf(one, [statement], {
    annotations: { 'vnd.docker.reference.digest': amd.digest },
  })
  await push.manifest('multi', attestation.digest, attestation)
  const annotations = { 'vnd.docker.reference.type': 'attestation-manifest' }
  const attested = on(attestation, 'unknown', { annotations })
  await push.manifest('multi', 'attested', indexOf([on(amd, 'amd64'), attested]))
  const empty = { bytes: Buffer.from('{}'), digest: digestOf(Buffer.from('{}')) }
  await push.blob('charts/app', empty)
  const artifact = imageOf(empty, [], { artifactType: 'application/vnd.example+json' })
  await push.manifest('charts/app', '0.1.0', artifact)
}

async function fillShared(client: RegistryClient, push: Pusher, ledger: Ledger): Promise<void> {
  const [settings, layer] = [config('shared'), blobOf('shared', 70_000)]
  await push.blob('shared/one', settings)
  await push.blob('shared/one', layer)
  for (const repository of ['shared/two', 'shared/three']) {
    await push.mount(repository, settings, 'shared/one')
    await push.mount(repository, layer, 'shared/one')
    await push.manifest(repository, 'same', imageOf(settings, [layer]))
  }
  const bytes = Buffer.from('known by its sha512')
  const long = await push.blob('long-digests', { bytes, digest: digestOf(bytes, 'sha512') })
  ledger.blobs.add(`long-digests ${digestOf(bytes)}`)
  await push.blob('long-digests', settings)
  await push.manifest('long-digests', 'latest', imageOf(settings, [long]))
  expectStatus(await client.statBlob('shared/three', layer.digest), 200)
}

async function fillDeleted(client: RegistryClient, push: Pusher): Promise<void> {
  // A tag that moved there and back again.
  const first = await image(push, 'moved', 'first', 'latest')
  const second = await image(push, 'moved', 'second', 'latest')
  await push.manifest('moved', 'latest', first)
  await push.manifest('moved', 'latest', second)
  const gone = await image(push, 'deleted', 'gone', 'gone')
  await image(push, 'deleted', 'stays', 'stays')
  const untagged = await image(push, 'deleted', 'untagged', 'untagged')
  expectStatus(await client.deleteManifest('deleted', gone.digest), 202)
  // 2.8 does not know how to.
  expectStatus(await client.deleteManifest('deleted', 'untagged'), 202, 400)
  await push.manifest('deleted', 'untagged-again', untagged)
  const lone = await push.blob('deleted', blobOf('unlinked', 100))
  expectStatus(await client.deleteBlob('deleted', lone.digest), 202)
  const only = await image(push, 'emptied', 'only', 'only')
  expectStatus(await client.deleteManifest('emptied', only.digest), 202)
}

async function fillOddments(client: RegistryClient, push: Pusher): Promise<void> {
  await push.blob('blobs-alone', blobOf('alone', 4321))
  const begun = expectStatus(await client.startUpload('unfinished'), 202)
  await client.patchUpload(locationOf(begun), Buffer.from('the first half'))
  await client.startUpload('a')
}

async function fillReferrers(push: Pusher): Promise<Pick<Filled, 'subject' | 'signature'>> {
  const subject = await image(push, 'signed', 'app', 'app')
  const [settings, payload] = [config('signature'), blobOf('signature', 222)]
  await push.blob('signed', settings)
  await push.blob('signed', payload)
  const artifactType = 'application/vnd.example.signature'
  const signature = imageOf(settings, [payload], { artifactType, subject: descriptorOf(subject) })
  await push.manifest('signed', signature.digest, signature)
  // As clients do where a registry has no referrers API.
  const entry = { ...descriptorOf(signature), artifactType }
  await push.manifest('signed', subject.digest.replace(':', '-'), indexOf([entry]))
  return { subject, signature }
}

async function fillVictims(push: Pusher): Promise<Filled['victims']> {
  const victims: Partial<Filled['victims']> = {}
  for (const name of ['lost', 'truncated', 'unlinked', 'dangling'] as const) {
    const [settings, layer] = [config(name), blobOf(name, 8000)]
    await push.blob('damaged', settings)
    await push.blob('damaged', layer)
    victims[name] = { layer, image: await push.manifest('damaged', name, imageOf(settings, [layer])) }
  }
  await image(push, 'damaged', 'whole', 'whole')
  return victims as Filled['victims']
}

/** Key → what the registry answered. Keys are the ledger's entries, the lists, and what served manifests name. */
export type Served = Map<string, string>

/** Asks for everything in the ledger, and for the lists. What was answered is in `served` also where this throws. */
export async function askForAll(
  client: RegistryClient,
  ledger: Ledger,
  served: Served = new Map(),
): Promise<Served> {
  const told = async (key: string, asked: ReturnType<RegistryClient['ask']>): Promise<void> => {
    const { status, body, headers } = await asked
    const digest = createHash('sha256').update(body).digest('hex')
    served.set(key, status === 200 ? `200 ${digest} ${headers['content-type']}` : String(status))
  }
  for (const entry of ledger.blobs) {
    const [repository = '', digest = ''] = entry.split(' ')
    await told(`blob ${entry}`, client.getBlob(repository, digest))
  }
  for (const entry of [...ledger.manifests, ...ledger.tags]) {
    const [repository = '', reference = ''] = entry.split(' ')
    const asked = client.getManifest(repository, reference)
    await told(`manifest ${entry}`, asked)
    const { status, body } = await asked
    const named = status === 200 ? (body.toString().match(/sha(?:256|512):[0-9a-f]+/g) ?? []) : []
    for (const digest of named) served.set(`named ${repository} ${digest}`, 'by a manifest')
  }
  for (const repository of ledger.repositories) {
    const tags = await client.listTags(repository)
    served.set(`tags ${repository}`, JSON.stringify((tags ?? []).sort()))
  }
  served.set('catalog', JSON.stringify((await catalogOf(client)).sort()))
  return served
}

/** Page by page, three at a time. */
export async function catalogOf(client: RegistryClient): Promise<string[]> {
  const names: string[] = []
  for (let path: string | undefined = '/v2/_catalog?n=3'; path !== undefined;) {
    const answer = expectStatus(await client.ask('GET', path), 200)
    names.push(...(JSON.parse(answer.body.toString()) as { repositories: string[] }).repositories)
    path = nextOf(answer)
  }
  return names
}

/** @param expected given a key, whether (and as what) it may differ */
export function differencesOfServed(
  before: Served,
  after: Served,
  expected: (key: string, before: string | undefined, after: string | undefined) => boolean = () => false,
): string[] {
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((key) => !key.startsWith('named '))
    .filter((key) => before.get(key) !== after.get(key) && !expected(key, before.get(key), after.get(key)))
    .map((key) => `${key}: ${before.get(key)} → ${after.get(key)}`)
}
