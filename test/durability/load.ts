/**
 * Clients at work: push by every method, tag, retag, delete, mount. Each writes down in the ledger what it is about
 * to do and what it was told. They own their names, but for one tag that all fight over.
 */
import {
  blobOf,
  createRandom,
  digestOf,
  imageOf,
  type Blob,
  type Manifest,
  type Random,
} from '../lib/content.ts'
import type { Answer } from '../lib/http-client.ts'
import {
  createRegistryClient,
  errorOf,
  locationOf,
  PUSH_METHODS,
  storedBytes,
  type RegistryClient,
} from '../lib/registry-client.ts'
import type { Ledger, Name, Value } from './ledger.ts'

export const APP = 'team/app'

type LoadOptions = {
  url: string
  ledger: Ledger
  clients: number
  seed: number
  /** Distinguishes the content of this round from that of others. */
  round: string
  /** The largest blob, in bytes; most are far smaller. */
  largest?: number
}

export type Load = {
  /** Waits for the clients, who end at their first broken connection once this was called. */
  stop(): Promise<void>
  /** Answers that no client should see while the server lives: other than 2xx and 404. */
  readonly unexpected: string[]
}

type Worker = {
  client: RegistryClient
  ledger: Ledger
  random: Random
  name: string
  largest: number
  unexpected: string[]
  count: number
  pushed: { manifest: Manifest; tag: string }[]
}

export function startLoad(options: LoadOptions): Load {
  const client = createRegistryClient(options.url)
  const unexpected: string[] = []
  let stopping = false
  const run = async (index: number): Promise<void> => {
    const worker: Worker = {
      client,
      ledger: options.ledger,
      random: createRandom(options.seed + index * 7919),
      name: `c${index}`,
      largest: options.largest ?? 2 * 1024 * 1024,
      unexpected,
      count: 0,
      pushed: [],
    }
    while (!stopping) {
      worker.count += 1
      try {
        await act(worker, `${options.round}-${index}-${worker.count}`)
      } catch (error) {
        if (!stopping) await settle()
        if (!stopping) unexpected.push(`connection: ${String(error)}`)
        return
      }
    }
  }
  const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 250))
  const running = Promise.all(Array.from({ length: options.clients }, (_, index) => run(index)))
  return {
    unexpected,
    stop: async () => {
      stopping = true
      await running
      client.close()
    },
  }
}

const ACTIONS: [weight: number, action: (worker: Worker, seed: string) => Promise<void>][] = [
  [6, pushImage],
  [2, pushByDigest],
  [3, retag],
  [3, deleteTag],
  [2, deleteManifest],
  [3, pushAndDeleteBlob],
  [2, mount],
  [3, fightOverTag],
  [2, pushToFreshRepository],
  [2, leaveUploadOpen],
  [3, readBack],
]

function act(worker: Worker, seed: string): Promise<void> {
  let at = worker.random.next() * ACTIONS.reduce((sum, [weight]) => sum + weight, 0)
  for (const [weight, action] of ACTIONS) {
    at -= weight
    if (at < 0) return action(worker, seed)
  }
  return pushImage(worker, seed)
}

/** Sends one request that changes names, and writes down both ends of it. */
async function change(
  worker: Worker,
  effects: [Name, Value][],
  send: () => Promise<Answer>,
): Promise<boolean> {
  const operations = effects.map(([name, value]) => worker.ledger.begin(name, value))
  const answer = await send()
  // 202 to a mount is no mount: an upload was opened.
  const isOpened = answer.status === 202 && effects.some(([, value]) => value !== undefined)
  if (answer.status >= 200 && answer.status < 300 && !isOpened) {
    for (const operation of operations) operation.acknowledge()
    return true
  }
  // Other refusals (a failing disk, a full one) may have had their effect, as a broken connection may.
  if (isOpened || [400, 404, 416].includes(answer.status))
    for (const operation of operations) operation.refuse()
  if (!isOpened && answer.status !== 404) {
    const { code, message } = errorOf(answer)
    worker.unexpected.push(`${answer.status} ${code} ${message}`.slice(0, 200))
  }
  return false
}

function freshBlob(worker: Worker, seed: string): Blob {
  const { random } = worker
  const large = random.next() < 0.1
  return blobOf(seed, large ? random.between(1, worker.largest) : random.between(1, 60_000))
}

const pushBlob = (worker: Worker, repository: string, blob: Blob): Promise<boolean> =>
  change(worker, [[{ kind: 'blob', repository, reference: blob.digest }, blob.digest]], () =>
    worker.client.pushBlob(repository, blob, worker.random.pick(PUSH_METHODS)),
  )

const putTag = (worker: Worker, repository: string, tag: string, manifest: Manifest): Promise<boolean> =>
  change(
    worker,
    [
      [{ kind: 'manifest', repository, reference: manifest.digest }, manifest.digest],
      [{ kind: 'tag', repository, reference: tag }, manifest.digest],
    ],
    () => worker.client.putManifest(repository, tag, manifest),
  )

async function freshImage(worker: Worker, repository: string, seed: string): Promise<Manifest | undefined> {
  const config = blobOf(`${seed} config`, worker.random.between(2, 3000))
  const layers = [freshBlob(worker, `${seed} layer`)]
  for (const blob of [config, ...layers]) if (!(await pushBlob(worker, repository, blob))) return undefined
  return imageOf(config, layers, { annotations: { seed } })
}

async function pushImage(worker: Worker, seed: string): Promise<void> {
  const manifest = await freshImage(worker, APP, seed)
  if (manifest === undefined) return
  const tag = `${worker.name}-${worker.random.between(0, 4)}`
  if (await putTag(worker, APP, tag, manifest)) worker.pushed.push({ manifest, tag })
}

async function pushByDigest(worker: Worker, seed: string): Promise<void> {
  const manifest = await freshImage(worker, APP, seed)
  if (manifest === undefined) return
  const name: Name = { kind: 'manifest', repository: APP, reference: manifest.digest }
  await change(worker, [[name, manifest.digest]], () =>
    worker.client.putManifest(APP, manifest.digest, manifest),
  )
}

async function retag(worker: Worker): Promise<void> {
  const known = worker.pushed.at(-1)
  if (known === undefined) return
  await putTag(worker, APP, `${worker.name}-retagged`, known.manifest)
}

async function deleteTag(worker: Worker): Promise<void> {
  const tag = `${worker.name}-${worker.random.between(0, 4)}`
  await change(worker, [[{ kind: 'tag', repository: APP, reference: tag }, undefined]], () =>
    worker.client.deleteManifest(APP, tag),
  )
}

/** A manifest with one tag of its own, both gone by one request. */
async function deleteManifest(worker: Worker, seed: string): Promise<void> {
  const manifest = await freshImage(worker, APP, seed)
  const tag = `${worker.name}-doomed`
  if (manifest === undefined || !(await putTag(worker, APP, tag, manifest))) return
  await change(
    worker,
    [
      [{ kind: 'tag', repository: APP, reference: tag }, undefined],
      [{ kind: 'manifest', repository: APP, reference: manifest.digest }, undefined],
    ],
    () => worker.client.deleteManifest(APP, manifest.digest),
  )
}

async function pushAndDeleteBlob(worker: Worker, seed: string): Promise<void> {
  const blob = freshBlob(worker, seed)
  if (!(await pushBlob(worker, APP, blob))) return
  if (worker.random.next() < 0.3) return
  await change(worker, [[{ kind: 'blob', repository: APP, reference: blob.digest }, undefined]], () =>
    worker.client.deleteBlob(APP, blob.digest),
  )
}

async function mount(worker: Worker, seed: string): Promise<void> {
  const blob = freshBlob(worker, seed)
  if (!(await pushBlob(worker, APP, blob))) return
  const repository = `elsewhere/${worker.name}`
  const name: Name = { kind: 'blob', repository, reference: blob.digest }
  await change(worker, [[name, blob.digest]], () => worker.client.mountBlob(repository, blob.digest, APP))
}

async function fightOverTag(worker: Worker, seed: string): Promise<void> {
  if (worker.random.next() < 0.3) {
    await change(worker, [[{ kind: 'tag', repository: APP, reference: 'shared' }, undefined]], () =>
      worker.client.deleteManifest(APP, 'shared'),
    )
    return
  }
  const manifest = await freshImage(worker, APP, seed)
  if (manifest !== undefined) await putTag(worker, APP, 'shared', manifest)
}

async function pushToFreshRepository(worker: Worker, seed: string): Promise<void> {
  const repository = `fresh/${seed}`
  const manifest = await freshImage(worker, repository, seed)
  if (manifest !== undefined) await putTag(worker, repository, 'latest', manifest)
}

async function leaveUploadOpen(worker: Worker, seed: string): Promise<void> {
  const { bytes, digest } = blobOf(seed, worker.random.between(10_000, 200_000))
  const begun = await worker.client.startUpload(APP)
  if (begun.status !== 202) return
  const half = bytes.length >> 1
  const upload = { repository: APP, location: locationOf(begun), bytes, digest, acknowledged: 0 }
  if (worker.ledger.openUploads.length < 40) worker.ledger.openUploads.push(upload)
  const answer = await worker.client.patchUpload(upload.location, bytes.subarray(0, half), [0, half - 1])
  if (answer.status !== 202) return
  upload.location = locationOf(answer)
  upload.acknowledged = storedBytes(answer)
}

/** What is served under load must be whole, too. */
async function readBack(worker: Worker): Promise<void> {
  const known = worker.pushed.at(-1)
  if (known === undefined) return
  const { digest } = known.manifest
  const answer = await worker.client.getManifest(APP, digest)
  if (answer.status !== 200) worker.unexpected.push(`${answer.status} for an acknowledged manifest`)
  else if (digestOf(answer.body) !== digest) worker.unexpected.push('WRONG BYTES for a manifest')
  const layers = (JSON.parse(known.manifest.bytes.toString()) as { layers: { digest: string }[] }).layers
  for (const layer of layers) {
    const blob = await worker.client.getBlob(APP, layer.digest)
    if (blob.status !== 200) worker.unexpected.push(`${blob.status} for an acknowledged blob`)
    else if (digestOf(blob.body) !== layer.digest) worker.unexpected.push('WRONG BYTES for a blob')
  }
}
