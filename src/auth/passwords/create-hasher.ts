/**
 * Passwords on a thread or two. What waits for them is bounded, and so is what they take from others: there are fewer of
 * them than cores, they have a lower priority, and they end when nobody signs in for a while.
 */
import { createHmac, randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import type { Logger } from '../../lib/logger.ts'
import { RegistryError } from '../../oci/error.ts'
import { NOBODYS_HASH } from './compute.ts'
import { passwordProblem, type PasswordHasher } from './hasher.ts'
import { kindOfHash } from './parse-hash.ts'
import { createPasswordThread, type PasswordThread, type ToWorker } from './thread.ts'

type Options = {
  log: Logger
  /** Whether names and hashes of Berth's own users are among what is verified: {@link PasswordHasher.verifyNobody}. */
  hasUsers: boolean
  threads?: number
  /** How many jobs may wait. */
  longestQueue?: number
  /** Milliseconds that a job may have to wait, by what the last ones took. Docker gives up after 15 seconds. */
  longestWait?: number
  /** Milliseconds after the last job until a thread ends. */
  idle?: number
}

type Job = ToWorker & PromiseWithResolvers<boolean | string>

export function createPasswordHasher({
  log,
  hasUsers,
  threads: most = Math.max(1, Math.min(2, availableParallelism() - 1)),
  longestQueue = 256,
  longestWait = 10_000,
  idle = 20_000,
}: Options): PasswordHasher {
  const threads = createThreads({ log, most, idle })
  const nobody = createNobody(hasUsers)
  const queue: Job[] = []
  /** Milliseconds that a job takes, lately. */
  let usual = 100
  let isClosed = false

  const next = (): void => {
    const thread = queue.length === 0 ? undefined : threads.take()
    const job = thread && queue.shift()
    if (thread === undefined || job === undefined) return
    const { password, hash } = job
    const began = performance.now()
    const done = (): void => {
      usual += (performance.now() - began - usual) / 8
      threads.giveBack(thread)
      next()
    }
    void thread
      .run(hash === undefined ? { password } : { password, hash })
      .then(job.resolve, job.reject)
      .then(done)
  }
  const run = (job: ToWorker): Promise<boolean | string> => {
    if (isClosed) return Promise.reject(ended())
    const wait = (usual * queue.length) / most
    if (queue.length >= longestQueue || wait > longestWait) return Promise.reject(tooMany(wait))
    const promised = Promise.withResolvers<boolean | string>()
    queue.push({ ...job, ...promised })
    next()
    return promised.promise.catch((error: unknown) => {
      throw error instanceof RegistryError ? error : unavailable(error)
    })
  }
  const verify = async (password: string, hash: string): Promise<boolean> =>
    passwordProblem(password) === undefined && (await run({ password, hash })) === true

  return {
    async hash(password) {
      const problem = passwordProblem(password)
      if (problem !== undefined) throw new RangeError(`the password ${problem}`)
      return String(await run({ password }))
    },
    verify: async (password, hash) => ('kind' in kindOfHash(hash) ? verify(password, hash) : false),
    async verifyNobody(password, name = '') {
      const hash = nobody.hashFor(name)
      if (hash !== undefined) await verify(password, hash)
    },
    imitate: (source, hashes) => nobody.imitate(source, hashes),
    async close() {
      isClosed = true
      for (const job of queue.splice(0)) job.reject(ended())
      await threads.close()
    },
  }
}

function createThreads({ log, most, idle }: { log: Logger; most: number; idle: number }) {
  const all = new Set<PasswordThread>()
  const free: PasswordThread[] = []
  let timer: NodeJS.Timeout | undefined
  const end = async (): Promise<void> => {
    clearTimeout(timer)
    free.length = 0
    const ending = [...all].map((thread) => thread.close())
    all.clear()
    await Promise.all(ending)
  }
  const start = (): PasswordThread => {
    const thread = createPasswordThread((error) => {
      all.delete(thread)
      log.error('a thread for passwords ended; another one is started when needed', { error })
    })
    all.add(thread)
    return thread
  }
  return {
    take(): PasswordThread | undefined {
      const thread = free.pop() ?? (all.size < most ? start() : undefined)
      if (thread !== undefined) clearTimeout(timer)
      return thread
    },
    giveBack(thread: PasswordThread): void {
      if (!all.has(thread)) return
      free.push(thread)
      clearTimeout(timer)
      if (free.length === all.size) timer = setTimeout(() => void end(), idle).unref()
    },
    close: end,
  }
}

/** Which hash a name that nobody has is compared with. */
function createNobody(hasUsers: boolean) {
  // Random, so that nobody can work out which names are compared with a costly one.
  const key = randomBytes(16)
  const sources = new Map<string, readonly string[]>()
  return {
    imitate(source: string, hashes: readonly string[]): void {
      sources.set(source, hashes)
    },
    /** As likely to be a costly one as the hash of a name that somebody has. Undefined: there are no hashes at all. */
    hashFor(name: string): string | undefined {
      const hashes = [...sources.values()].filter((some) => some.length > 0)
      if (hasUsers) hashes.push([NOBODYS_HASH])
      if (hashes.length === 0) return undefined
      const bytes = createHmac('sha256', key).update(name).digest()
      const some = hashes[bytes.readUInt32LE(0) % hashes.length] ?? []
      return some[bytes.readUInt32LE(4) % some.length]
    },
  }
}

function tooMany(wait: number): RegistryError {
  const retryAfter = Math.min(60, Math.max(1, Math.ceil(wait / 1000)))
  return new RegistryError(
    'TOOMANYREQUESTS',
    `too many passwords are being checked: try again in ${retryAfter} s, or sign in with a token`,
    { retryAfter },
  )
}

const ended = (): RegistryError =>
  new RegistryError('UNAVAILABLE', 'the registry is shutting down: try again soon')

const unavailable = (cause: unknown): RegistryError =>
  new RegistryError('UNAVAILABLE', 'passwords cannot be checked now: try again soon', {
    retryAfter: 5,
    cause,
  })
