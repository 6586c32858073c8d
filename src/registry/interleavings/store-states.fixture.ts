/**
 * Every state that a blob store was in, as the calls that led there: the real store in memory, made again for each.
 * Two ways to the same content are one state.
 */
import type { BlobStore, ObjectId, StoredObject, UploadState } from '../../blobs/blob-store.ts'
import { createBytesSource } from '../../blobs/bytes-source.ts'
import { createMemoryBlobStore } from '../../blobs/memory.ts'
import type { Digest } from '../../oci/digest.ts'
import { readAll } from '../read-source.ts'

export type StoreCall =
  | { do: 'append'; state: UploadState; bytes: Buffer; isAborted: boolean }
  | { do: 'finish'; state: UploadState; digest: Digest }
  | { do: 'remove'; objects: readonly StoredObject[] }
  | { do: 'open'; object: StoredObject; size: number; range: { first: number; last: number } | undefined }
  | { do: 'reread'; state: UploadState; first: number }
  | { do: 'stat'; object: StoredObject }
  | { do: 'list' }

type StoreState = {
  key: string
  calls: readonly StoreCall[]
  store: BlobStore
  finished: ReadonlyMap<string, { digest: string; size: number }>
  objects: readonly string[]
}

export type StoreStates = {
  current(): StoreState
  goTo(state: StoreState): void
  apply(call: StoreCall): Promise<unknown>
  bytesOf(object: string): { digest: string; size: number } | undefined
  objects(): readonly string[]
  /** The state it is in, as the interface has it. */
  facade: BlobStore
}

/** Bytes of an append that is one short write; what is larger is claimed first. Both are tried: "lay", "layer". */
const WHOLE = 3

const CHANGES = new Set(['append', 'finish', 'remove'])

/** @param now when a call is made: what the store marks files with */
export function createStoreStates(now: () => number): StoreStates {
  const known = new Map<string, StoreState>()
  const steps = new Map<string, { result: unknown; error: unknown; to: StoreState }>()
  let current: StoreState = {
    key: '',
    calls: [],
    store: createMemoryBlobStore(),
    finished: new Map(),
    objects: [],
  }
  known.set('', current)

  async function step(from: StoreState, call: StoreCall) {
    const store = createMemoryBlobStore()
    for (const earlier of from.calls) await run(store, earlier)
    let result: unknown
    let error: unknown
    try {
      result = await run(store, call)
    } catch (thrown) {
      error = thrown
    }
    const calls = error === undefined ? [...from.calls, call] : from.calls
    const reached = await stateOf(store, calls)
    const to = known.get(reached.key) ?? reached
    known.set(to.key, to)
    return { result, error, to }
  }

  async function apply(asked: StoreCall): Promise<unknown> {
    const call = { ...asked, at: now() }
    if (!CHANGES.has(call.do)) return run(current.store, call)
    const name = `${current.key} ${JSON.stringify(call)}`
    let taken = steps.get(name)
    if (taken === undefined) {
      taken = await step(current, call)
      steps.set(name, taken)
    }
    current = taken.to
    if (taken.error !== undefined) throw taken.error as Error
    return taken.result
  }

  return {
    current: () => current,
    goTo: (state) => void (current = state),
    apply,
    bytesOf: (object) => current.finished.get(object),
    objects: () => current.objects,
    facade: callingStore(apply),
  }
}

async function run(store: BlobStore, call: StoreCall & { at?: number }): Promise<unknown> {
  const { now } = Date
  Date.now = () => call.at ?? now()
  try {
    return await runNow(store, call)
  } finally {
    Date.now = now
  }
}

async function runNow(store: BlobStore, call: StoreCall): Promise<unknown> {
  switch (call.do) {
    case 'append': {
      const hash = store.createHash('sha256', {})
      await readAndHash(store, call.state, hash)
      const signal = call.isAborted ? AbortSignal.abort() : new AbortController().signal
      return store.append(call.state, once(call.bytes), { signal, hash })
    }
    case 'finish':
      return store.finish(call.state, call.digest)
    case 'remove':
      return store.remove(call.objects)
    case 'open': {
      const source = await store.open(call.object, call.size, call.range, undefined)
      return source === undefined || source === 'changed' ? undefined : readAll(source)
    }
    case 'reread': {
      const source = await store.reread(call.state, call.first)
      return source === undefined ? undefined : readAll(source)
    }
    case 'stat':
      return store.stat(call.object)
    case 'list':
      return Array.fromAsync(store.list())
  }
}

/** An append is given a hash that is as far as the upload. */
async function readAndHash(
  store: BlobStore,
  state: UploadState,
  hash: ReturnType<BlobStore['createHash']>,
): Promise<void> {
  const source = state.received === 0 ? undefined : await store.reread(state)
  if (source !== undefined) await hash.update(await readAll(source))
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  if (bytes.byteLength > 0) yield bytes
}

async function stateOf(store: BlobStore, calls: readonly StoreCall[]): Promise<StoreState> {
  const finished = new Map<string, { digest: string; size: number }>()
  const objects: string[] = []
  const lines: string[] = []
  for await (const { object, size, modifiedAt } of store.list()) {
    objects.push(object.id)
    if (object.digest !== undefined) finished.set(object.id, { digest: object.digest, size })
    const part = await store.reread({ object: { id: object.id }, received: size })
    const bytes = part === undefined ? '' : (await readAll(part)).toString('hex')
    lines.push(`${object.id} ${object.digest ?? 'unfinished'} ${modifiedAt} ${bytes}`)
  }
  return { key: lines.join('\n'), calls, store, finished, objects }
}

/**
 * A store whose every look and change goes through `call`; what needs no I/O does not.
 * What an append took goes through the caller's hash when its answer comes.
 */
export function callingStore(call: (call: StoreCall) => Promise<unknown>): BlobStore {
  const plain = createMemoryBlobStore()
  const sourceOf = async (bytes: Promise<unknown>) => {
    const found = (await bytes) as Buffer | undefined
    return found === undefined ? undefined : createBytesSource(found)
  }
  return {
    open: (object, size, range) => sourceOf(call({ do: 'open', object, size, range })),
    openCold: (object, size) => sourceOf(call({ do: 'open', object, size, range: undefined })),
    peek: () => undefined,
    plan: plain.plan,
    createHash: plain.createHash,
    async append(state, body, { signal, hash, begin }) {
      const bytes = Buffer.concat(await Array.fromAsync(body))
      if (bytes.byteLength > 0) await begin?.(bytes.byteLength <= WHOLE)
      const asked: StoreCall = { do: 'append', state, bytes, isAborted: false }
      // Looked at when the store comes to it, not when it is asked.
      Object.defineProperty(asked, 'isAborted', { enumerable: true, get: () => signal.aborted })
      const result = (await call(asked)) as Awaited<ReturnType<BlobStore['append']>>
      await hash.update(bytes.subarray(0, result.state.received - state.received))
      return result
    },
    reread: (state, first = 0) => sourceOf(call({ do: 'reread', state, first })),
    finish: (state, digest) => call({ do: 'finish', state, digest }) as ReturnType<BlobStore['finish']>,
    remove: (objects) => call({ do: 'remove', objects }) as ReturnType<BlobStore['remove']>,
    stat: (object) => call({ do: 'stat', object }) as ReturnType<BlobStore['stat']>,
    async *list(after?: ObjectId) {
      const all = (await call({ do: 'list' })) as { object: StoredObject }[]
      for (const one of all) if (after === undefined || one.object.id > after) yield one as never
    },
    probe: async () => undefined,
    close: async () => undefined,
  }
}
