/**
 * Clients that push and delete the same content over and over while it is collected. Layers are shared by all of them, so
 * what one has let go of another is just about to name. Tags and manifests are a client's own, so that it knows what each
 * tag must hold. What was promised is written down with its time: a blob or manifest that a HEAD, a push or a mount said
 * is there can be named for a day.
 */
import {
  blobOf,
  createRandom,
  descriptorOf,
  digestOf,
  imageOf,
  indexOf,
  type Blob,
  type Manifest,
  type Random,
} from '../lib/content.ts'
import type { Answer } from '../lib/http-client.ts'
import { errorOf, locationOf, PUSH_METHODS, type RegistryClient } from '../lib/registry-client.ts'
import { HOUR_MS } from './clocked.ts'

const PROMISE_MS = 24 * HOUR_MS
export const REPOSITORIES = ['stress/a', 'stress/b', 'deep/stress/c'] as const

export type Counts = Record<
  | 'images'
  | 'indexes'
  | 'referrers'
  | 'blobs'
  | 'skips'
  | 'manifestSkips'
  | 'mounts'
  | 'pulls'
  | 'tagDeletes'
  | 'manifestDeletes'
  | 'blobDeletes'
  /** Refused after the promise had ended: a client that was slow. */
  | 'late'
  /** Requests whose answer a kill took. */
  | 'cut',
  number
>

export type Image = { manifest: Manifest; blobs: Blob[]; children: Image[] }

type StressOptions = {
  /** A registry to ask, another one each time where there are several. */
  pick: () => RegistryClient
  /** Resolves when a registry is there; whether requests may break just now. */
  gate: { open: () => Promise<void>; isCut: () => boolean }
  /** The registries' time. */
  now: () => number
  /** Waits for so much of it. */
  wait: (ms: number) => Promise<void>
  clients: number
  /** The share of pushes that let most of the day pass before they name what they were promised. */
  dawdling: number
  seed: number
}

export type Stress = {
  counts: Counts
  /** Promises that were broken, and answers that no client should get. */
  problems: string[]
  /** All that may have been pushed, by digest. */
  manifests(): Manifest[]
  stop(): Promise<void>
  /** Each client's tags, asked for on a registry where nobody else is at work. */
  verify(): Promise<number>
}

const ZERO: Counts = {
  ...{ images: 0, indexes: 0, referrers: 0, blobs: 0, skips: 0, manifestSkips: 0, mounts: 0 },
  ...{ pulls: 0, tagDeletes: 0, manifestDeletes: 0, blobDeletes: 0, late: 0, cut: 0 },
}

type Content = {
  images: Image[]
  children: Image[]
  indexes: Image[]
  /** Their layer is nobody else's: it may be deleted where no tag needs it. */
  lonely: Image[]
}

type Worker = StressOptions & {
  name: string
  random: Random
  counts: Counts
  problems: string[]
  tell: (what: string) => void
  shifts: Content[]
  /** What a tag may hold: one, or several after a request whose answer never came. */
  tags: Map<string, Set<string | undefined>>
  /** Referrers of a manifest that was there all the time since they were pushed. */
  referrers: Map<string, Set<string>>
}

/**
 * Content is at work for a while and then rests for about as long as a lease, a little less or more: what is pushed again
 * has just been collected, is just being collected, or is just about to be.
 */
const SHIFT_MS = 16 * HOUR_MS
const SHIFTS = 4

/** Layers that all clients push; a few are large enough to be under way for a while. */
const layersOfShift = (shift: number): Blob[] =>
  Array.from({ length: 12 }, (_, n) =>
    blobOf(`shared layer ${shift} ${n}`, n === 0 ? 400_000 : 500 + 3000 * n),
  )
export const sharedLayers: readonly (readonly Blob[])[] = Array.from({ length: SHIFTS }, (_, shift) =>
  layersOfShift(shift),
)
const EMPTY: Blob = { bytes: Buffer.from('{}'), digest: digestOf(Buffer.from('{}')) }

export function startStress(options: StressOptions): Stress {
  const counts = { ...ZERO }
  const problems: string[] = []
  const workers = Array.from({ length: options.clients }, (_, index) =>
    createWorker(options, index, counts, problems),
  )
  let stopping = false
  const run = async (worker: Worker): Promise<void> => {
    while (!stopping) {
      await options.gate.open()
      await attempt(worker, () => act(worker))
    }
  }
  const running = Promise.all(workers.map(run))
  return {
    counts,
    problems,
    manifests: () => workers.flatMap(manifestsOf),
    stop: async () => {
      stopping = true
      await running
    },
    async verify() {
      let tags = 0
      for (const worker of workers) {
        for (const key of worker.tags.keys()) {
          await pull(worker, ...split(key))
          tags++
        }
      }
      return tags
    },
  }
}

function createWorker(options: StressOptions, index: number, counts: Counts, problems: string[]): Worker {
  const random = createRandom(options.seed + index * 7919)
  return {
    ...options,
    ...{ random, counts, problems, tags: new Map(), referrers: new Map(), name: `c${index}` },
    tell: (what) => problems.push(`client ${index}: ${what}`),
    shifts: sharedLayers.map((layers, shift) =>
      contentOf(random, `${options.seed} ${index} shift ${shift}`, layers),
    ),
  }
}

function contentOf(random: Random, name: string, shared: readonly Blob[]): Content {
  const some = (): Blob[] => [
    ...new Set(Array.from({ length: random.between(1, 4) }, () => random.pick(shared))),
  ]
  const image = (what: string, layers: Blob[]): Image => {
    const config = blobOf(`${name} ${what} config`, 300)
    return { manifest: imageOf(config, layers), blobs: [config, ...layers], children: [] }
  }
  const children = [0, 1, 2].map((n) => image(`child ${n}`, some()))
  return {
    children,
    images: [0, 1, 2].map((n) => image(`image ${n}`, some())),
    indexes: [children.slice(0, 2), children.slice(1)].map((both, n) => ({
      manifest: indexOf(
        both.map(({ manifest }) => descriptorOf(manifest)),
        { annotations: { name: `${name} ${n}` } },
      ),
      ...{ blobs: [], children: both },
    })),
    lonely: [image('lonely', [blobOf(`${name} lonely layer`, 20_000)])],
  }
}

const shiftOf = ({ now, random }: Worker): number =>
  Math.floor((now() + random.between(-8, 8) * HOUR_MS) / SHIFT_MS) % SHIFTS
const atWork = (worker: Worker): Content => worker.shifts[shiftOf(worker)] as Content
const taggable = ({ images, indexes, lonely }: Content): Image[] => [...images, ...indexes, ...lonely]
const manifestsOf = ({ shifts }: Worker): Manifest[] =>
  shifts
    .flatMap((content) => [...taggable(content), ...content.children])
    .flatMap(({ manifest }) => [manifest, referrerOf(manifest)])

const keyOf = (repository: string, tag: string): string => `${repository}:${tag}`
const split = (key: string): [repository: string, tag: string] => key.split(':') as [string, string]

const ACTIONS: [weight: number, action: (worker: Worker, repository: string) => Promise<unknown>][] = [
  [8, (worker, repository) => pushTagged(worker, repository, worker.random.pick(atWork(worker).images))],
  [3, (worker, repository) => pushTagged(worker, repository, worker.random.pick(atWork(worker).indexes))],
  [3, (worker, repository) => pushTagged(worker, repository, worker.random.pick(atWork(worker).lonely))],
  [7, deleteTag],
  [7, deleteManifest],
  [3, deleteBlob],
  [2, attach],
  [
    2,
    (worker, repository) =>
      ensureBlob(worker, repository, worker.random.pick(sharedLayers[shiftOf(worker)] ?? [])),
  ],
  [6, pullOwn],
  [2, pullListed],
]

/** Nobody else chooses it. Tags move now and then. */
function tagOf(worker: Worker, image?: Image): string {
  const all = atWork(worker)
  const at = image === undefined ? -1 : taggable(all).indexOf(image)
  const own = at < 0 || worker.random.next() < 0.1 ? worker.random.between(0, taggable(all).length - 1) : at
  return `${worker.name}-${worker.shifts.indexOf(all)}-${own}`
}

function act(worker: Worker): Promise<unknown> {
  const repository = worker.random.pick(REPOSITORIES)
  let at = worker.random.next() * ACTIONS.reduce((sum, [weight]) => sum + weight, 0)
  for (const [weight, action] of ACTIONS) {
    at -= weight
    if (at < 0) return action(worker, repository)
  }
  return pullOwn(worker, repository)
}

/** A connection may break where a registry is killed, and nowhere else. */
async function attempt(worker: Worker, work: () => Promise<unknown>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (worker.gate.isCut()) worker.counts.cut++
    else worker.tell(`connection: ${String(error)}`)
  }
}

function unexpected(worker: Worker, what: string, answer: Answer): void {
  const { code, message } = errorOf(answer)
  worker.tell(`${what}: ${answer.status} ${code} ${message}`.slice(0, 300))
}

/** @returns when the promise that it is there began; undefined: it could not be had */
async function ensureBlob(worker: Worker, repository: string, blob: Blob): Promise<number | undefined> {
  const { random, counts, now } = worker
  const client = worker.pick()
  let began = now()
  const stat = await client.statBlob(repository, blob.digest)
  if (stat.status === 200) {
    counts.skips++
    return began
  }
  if (stat.status !== 404) unexpected(worker, 'HEAD of a blob', stat)
  if (random.next() < 0.4) {
    began = now()
    const from = random.pick(REPOSITORIES)
    const mounted = await client.mountBlob(repository, blob.digest, from)
    if (mounted.status === 201) {
      counts.mounts++
      return began
    }
    if (mounted.status !== 202) unexpected(worker, 'mount', mounted)
    await client.cancelUpload(locationOf(mounted))
  }
  began = now()
  const pushed = await worker.pick().pushBlob(repository, blob, random.pick(PUSH_METHODS))
  if (pushed.status === 201) {
    counts.blobs++
    return began
  }
  // A body that took longer than a day of the registries' time.
  if (now() - began > PROMISE_MS) counts.late++
  else unexpected(worker, 'push of a blob', pushed)
  return undefined
}

/** @returns when the oldest promise began on which naming this manifest rests; undefined: it is not there */
async function ensureImage(worker: Worker, repository: string, image: Image): Promise<number | undefined> {
  const { counts, now } = worker
  const began = now()
  const stat = await worker.pick().statManifest(repository, image.manifest.digest)
  if (stat.status === 200) {
    counts.manifestSkips++
    return began
  }
  return put(worker, repository, image.manifest.digest, image)
}

/** @returns when the promise began; undefined: it was refused, which is told where it must not be */
async function put(
  worker: Worker,
  repository: string,
  reference: string,
  image: Image,
): Promise<number | undefined> {
  const { counts, now } = worker
  let oldest = now()
  for (const blob of image.blobs) {
    const promised = await ensureBlob(worker, repository, blob)
    if (promised === undefined) return undefined
    oldest = Math.min(oldest, promised)
  }
  for (const child of image.children) {
    const promised = await ensureImage(worker, repository, child)
    if (promised === undefined) return undefined
    oldest = Math.min(oldest, promised)
  }
  // A promise is not only for those who hurry.
  if (worker.random.next() < worker.dawdling)
    await worker.wait((0.5 + worker.random.next() / 2) * (PROMISE_MS - 2 * HOUR_MS - (now() - oldest)))
  const began = now()
  const answer = await worker.pick().putManifest(repository, reference, image.manifest)
  if (answer.status === 201) {
    if (image.children.length > 0) counts.indexes++
    else counts.images++
    return began
  }
  if (answer.status < 500 && now() - oldest > PROMISE_MS) counts.late++
  else unexpected(worker, `manifest of what was promised in ${repository}`, answer)
  return undefined
}

async function pushTagged(worker: Worker, repository: string, image: Image): Promise<void> {
  const tag = tagOf(worker, image)
  const key = keyOf(repository, tag)
  const before = worker.tags.get(key) ?? new Set([undefined])
  const { digest } = image.manifest
  worker.tags.set(key, new Set([...before, digest]))
  const began = await put(worker, repository, tag, image)
  worker.tags.set(key, began === undefined ? before : new Set([digest]))
}

/** What a tag surely points to. */
function known(worker: Worker, repository: string): [key: string, digest: string][] {
  const found: [string, string][] = []
  for (const [key, possible] of worker.tags) {
    const [only] = possible
    if (possible.size === 1 && only !== undefined && key.startsWith(`${repository}:`)) found.push([key, only])
  }
  return found
}

async function deleteTag(worker: Worker, repository: string): Promise<void> {
  const all = known(worker, repository)
  if (all.length === 0) return
  const [key, digest] = worker.random.pick(all)
  worker.referrers.delete(`${repository} ${digest}`)
  worker.tags.set(key, new Set([digest, undefined]))
  const answer = await worker.pick().deleteManifest(repository, split(key)[1])
  if (answer.status !== 202) unexpected(worker, 'DELETE of a tag that is there', answer)
  worker.tags.set(key, new Set([undefined]))
  worker.counts.tagDeletes++
}

async function deleteManifest(worker: Worker, repository: string): Promise<void> {
  const named = known(worker, repository).map(([, digest]) => digest)
  const content = worker.random.pick(worker.shifts)
  const needed = (child: Image): boolean =>
    content.indexes.some(
      (index) => index.children.includes(child) && mayBeTagged(worker, repository, index.manifest.digest),
    )
  const free = content.children.filter((child) => !needed(child)).map(({ manifest }) => manifest.digest)
  // What a moved tag has left is there by its digest, for good.
  const untagged = taggable(content)
    .map(({ manifest }) => manifest.digest)
    .filter((digest) => !mayBeTagged(worker, repository, digest))
  const all = [...named, ...free, ...untagged]
  if (all.length === 0) return
  const digest = worker.random.pick(all)
  worker.referrers.delete(`${repository} ${digest}`)
  const touched = [...worker.tags].filter(
    ([key, possible]) => key.startsWith(`${repository}:`) && possible.has(digest),
  )
  for (const [, possible] of touched) possible.add(undefined)
  const answer = await worker.pick().deleteManifest(repository, digest)
  const isTagged = named.includes(digest)
  if (answer.status !== 202 && (isTagged || answer.status !== 404))
    unexpected(worker, 'DELETE of a manifest that is there', answer)
  for (const [, possible] of touched) possible.delete(digest)
  if (answer.status === 202) worker.counts.manifestDeletes++
}

function mayBeTagged(worker: Worker, repository: string, digest: string): boolean {
  return [...worker.tags].some(([key, possible]) => key.startsWith(`${repository}:`) && possible.has(digest))
}

async function deleteBlob(worker: Worker, repository: string): Promise<void> {
  const image = worker.random.pick(atWork(worker).lonely)
  if (mayBeTagged(worker, repository, image.manifest.digest)) return
  const layer = image.blobs.at(-1) as Blob
  if (worker.random.next() < 0.5 && (await ensureBlob(worker, repository, layer)) === undefined) return
  const answer = await worker.pick().deleteBlob(repository, layer.digest)
  if (answer.status === 202) worker.counts.blobDeletes++
  else if (answer.status !== 404) unexpected(worker, 'DELETE of a blob', answer)
}

function referrerOf({ mediaType, digest, bytes }: Manifest): Manifest {
  return imageOf(EMPTY, [], { subject: { mediaType, digest, size: bytes.length } })
}

async function attach(worker: Worker, repository: string): Promise<void> {
  const all = known(worker, repository)
  if (all.length === 0) return
  const [, subject] = worker.random.pick(all)
  const image = worker.shifts.flatMap(taggable).find(({ manifest }) => manifest.digest === subject)
  if (image === undefined) return
  const referrer = referrerOf(image.manifest)
  const began = await put(worker, repository, referrer.digest, {
    manifest: referrer,
    blobs: [EMPTY],
    children: [],
  })
  if (began === undefined) return
  worker.counts.referrers++
  worker.referrers.set(`${repository} ${subject}`, new Set([referrer.digest]))
}

async function pullOwn(worker: Worker, repository: string): Promise<void> {
  await pull(worker, repository, tagOf(worker))
}

/** A tag of one's own: what it holds is known, and all of it must be there. */
async function pull(worker: Worker, repository: string, tag: string): Promise<void> {
  const key = keyOf(repository, tag)
  const possible = worker.tags.get(key) ?? new Set([undefined])
  const answer = await worker.pick().getManifest(repository, tag)
  const digest = answer.status === 200 ? digestOf(answer.body) : undefined
  if (answer.status !== 200 && answer.status !== 404) return unexpected(worker, `GET ${key}`, answer)
  if (!possible.has(digest)) {
    worker.tell(
      `BROKEN TAG ${key}: ${String(digest)}, not ${[...possible].map(String).join(' or ')}; ` +
        errorOf(answer).message.slice(0, 100),
    )
    return
  }
  worker.tags.set(key, new Set([digest]))
  if (digest === undefined) return
  const missing = await firstMissing(worker, repository, answer.body)
  if (missing !== undefined) worker.tell(`BROKEN TAG ${key} of ${digest}: ${missing}`)
  await checkReferrers(worker, repository, digest)
  worker.counts.pulls++
}

async function checkReferrers(worker: Worker, repository: string, subject: string): Promise<void> {
  const wanted = worker.referrers.get(`${repository} ${subject}`)
  if (wanted === undefined) return
  const answer = await worker.pick().ask('GET', `/v2/${repository}/referrers/${subject}`)
  if (answer.status !== 200) return unexpected(worker, 'GET of referrers', answer)
  const listed = JSON.parse(answer.body.toString()) as { manifests: { digest: string }[] }
  for (const digest of wanted) {
    if (!listed.manifests.some((one) => one.digest === digest))
      worker.tell(`LOST REFERRER ${digest} of ${repository}@${subject}`)
  }
}

type Document = {
  config?: { digest: string }
  layers?: { digest: string }[]
  manifests?: { digest: string }[]
}

/** Fetches everything that a manifest names. @returns what is not there, or not what it should be */
async function firstMissing(
  worker: Pick<Worker, 'pick'>,
  repository: string,
  bytes: Buffer,
): Promise<string | undefined> {
  const { config, layers = [], manifests = [] } = JSON.parse(bytes.toString()) as Document
  for (const { digest } of [...(config === undefined ? [] : [config]), ...layers]) {
    const answer = await worker.pick().getBlob(repository, digest)
    if (answer.status !== 200) return `blob ${digest}: ${answer.status} ${errorOf(answer).message}`
    if (digestOf(answer.body) !== digest) return `WRONG BYTES of ${digest}`
  }
  for (const { digest } of manifests) {
    const answer = await worker.pick().getManifest(repository, digest)
    if (answer.status !== 200) return `manifest ${digest}: ${answer.status} ${errorOf(answer).message}`
    if (digestOf(answer.body) !== digest) return `WRONG BYTES of ${digest}`
    const missing = await firstMissing(worker, repository, answer.body)
    if (missing !== undefined) return missing
  }
  return undefined
}

/**
 * Anybody's tags, as the list gives them. Their owners may delete them meanwhile: a thing is missing only where it is
 * so twice, and the tag points to what it did before, between and after.
 */
async function pullListed(worker: Worker, repository: string): Promise<void> {
  const tags = (await worker.pick().listTags(repository)) ?? []
  if (tags.length === 0) return
  const tag = worker.random.pick(tags)
  const missing: string[] = []
  let digest: string | undefined
  while (missing.length < 2) {
    const answer = await worker.pick().getManifest(repository, tag)
    if (answer.status === 404) return
    if (answer.status !== 200) return unexpected(worker, `GET ${repository}:${tag}`, answer)
    const served = digestOf(answer.body)
    if (digest !== undefined && served !== digest) return
    digest = served
    const found = await firstMissing(worker, repository, answer.body)
    if (found === undefined) {
      worker.counts.pulls++
      return
    }
    missing.push(found)
  }
  const last = await worker.pick().statManifest(repository, tag)
  if (last.status === 200 && last.headers['docker-content-digest'] === digest && missing[0] === missing[1])
    worker.tell(`BROKEN TAG ${repository}:${tag} of ${digest}: ${missing.join('; again: ')}`)
}

/** Every tag of every repository, and all that it names. @returns how many, and what is missing */
export async function pullEverything(
  client: RegistryClient,
  repositories: readonly string[],
): Promise<{ tags: number; broken: string[] }> {
  const broken: string[] = []
  let tags = 0
  for (const repository of repositories) {
    for (const tag of (await client.listTags(repository)) ?? []) {
      tags++
      const answer = await client.getManifest(repository, tag)
      const missing =
        answer.status === 200
          ? await firstMissing({ pick: () => client }, repository, answer.body)
          : String(answer.status)
      if (missing !== undefined) broken.push(`${repository}:${tag}: ${missing}`)
    }
  }
  return { tags, broken }
}
