/**
 * A registry where one account, or one address that did not sign in, has only so many uploads at a time. A new one is
 * refused; what belongs to one that was begun never is, since clients cannot send a body again.
 */
import type { Clock } from '../lib/clock.ts'
import { RegistryError } from '../oci/error.ts'
import { readsOf } from './reads.ts'
import type { Call, Registry } from './registry.ts'

/** An upload that nothing was heard of for so long is not at work. Milliseconds. */
const IDLE_MS = 60_000
/** Clients that are looked after at a time before those that are idle are forgotten. */
const MANY = 10_000
/** Seconds. Somebody's blob has to be finished first, which nobody knows the time of. */
const RETRY_AFTER = 5

type Options = {
  /** At a time. */
  most: number
  clock: Clock
  /** Whose uploads are counted together. */
  keyOf: (call: Call) => string
  onRefused: () => void
}

export function createUploadLimits(inner: Registry, options: Options): Registry {
  const uploads = createCounts(options)
  return {
    ...readsOf(inner),
    putManifest: (call, name, manifest) => inner.putManifest(call, name, manifest),
    deleteManifest: (call, name, digest) => inner.deleteManifest(call, name, digest),
    deleteTag: (call, name, tag) => inner.deleteTag(call, name, tag),
    deleteBlob: (call, name, digest) => inner.deleteBlob(call, name, digest),
    mountBlob: (call, name, digest, from, isReadable) =>
      inner.mountBlob(call, name, digest, from, isReadable),
    async putBlob(call, name, digest, chunk) {
      const end = uploads.begin(call)
      try {
        await inner.putBlob(call, name, digest, chunk)
      } finally {
        end()
      }
    },
    async startUpload(call, name, algorithm) {
      const end = uploads.begin(call)
      try {
        const status = await inner.startUpload(call, name, algorithm)
        uploads.heardOf(call, status.id)
        return status
      } finally {
        end()
      }
    },
    getUpload: (call, name, id) => inner.getUpload(call, name, id),
    async appendUpload(call, name, id, chunk) {
      const end = uploads.goOn(call, id)
      try {
        return await inner.appendUpload(call, name, id, chunk)
      } finally {
        end()
        uploads.heardOf(call, id)
      }
    },
    async finishUpload(call, name, id, digest, chunk) {
      const end = uploads.goOn(call, id)
      try {
        await inner.finishUpload(call, name, id, digest, chunk)
      } finally {
        end()
      }
    },
    async cancelUpload(call, name, id) {
      uploads.goOn(call, id)()
      await inner.cancelUpload(call, name, id)
    },
  } satisfies Registry
}

/** `waiting`: uploads between two requests, and when they were last heard of. */
type Client = { running: number; waiting: Map<string, number> }

function createCounts({ most, clock, keyOf, onRefused }: Options) {
  const clients = new Map<string, Client>()

  function forgetIdle(client: Client, now: number): void {
    for (const [id, at] of client.waiting) if (Math.abs(now - at) > IDLE_MS) client.waiting.delete(id)
  }

  function forgetAllIdle(now: number): void {
    for (const [key, client] of clients) {
      forgetIdle(client, now)
      if (client.running === 0 && client.waiting.size === 0) clients.delete(key)
    }
  }

  function clientOf(call: Call): Client {
    const key = keyOf(call)
    let client = clients.get(key)
    if (client === undefined) {
      if (clients.size >= MANY) forgetAllIdle(clock.now())
      client = { running: 0, waiting: new Map() }
      clients.set(key, client)
    }
    return client
  }

  /** @returns what is to be called when it does not run any more */
  function run(client: Client): () => void {
    client.running += 1
    return () => {
      client.running -= 1
    }
  }

  return {
    /** @throws RegistryError TOOMANYREQUESTS */
    begin(call: Call): () => void {
      const client = clientOf(call)
      forgetIdle(client, clock.now())
      if (client.running + client.waiting.size < most) return run(client)
      onRefused()
      throw new RegistryError(
        'TOOMANYREQUESTS',
        `${most} uploads at a time are allowed, and as many are under way: finish one of them first`,
        { retryAfter: RETRY_AFTER },
      )
    },
    goOn(call: Call, id: string): () => void {
      const client = clientOf(call)
      client.waiting.delete(id)
      return run(client)
    },
    heardOf(call: Call, id: string): void {
      const { waiting } = clientOf(call)
      // More than may be begun are there only where an earlier process let them.
      if (waiting.size < most) waiting.set(id, clock.now())
    },
  }
}
