/** A folder of CNCF Distribution, read by a thread of its own, which starts when it is first asked. */
import type { Worker } from 'node:worker_threads'
import { startThread } from '../lib/start-thread.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { Finding, FoundName } from './found.ts'
import type { ReadingAnswer, ReadingRequest, ReadPart, ReadSince } from './folder-messages.ts'
import type { ReaderOptions } from './folder-thread.ts'

/** Why something could not be read, as the system says it. */
export class UnreadableError extends Error {
  override readonly name = 'UnreadableError'
  readonly code: string | undefined
  constructor(message: string, code?: string) {
    super(message)
    this.code = code
  }
}

type NamesFound = {
  names: readonly FoundName[]
  /** What stands beside them and is no repository, or could not be read. */
  beside: readonly Finding[]
}

/** All throw {@link UnreadableError}. */
export type FolderReader = {
  /** A repository in parts; the last one has `end`. Whoever stops early says so by leaving the loop. */
  read(name: RepositoryName, urgent: boolean): AsyncGenerator<ReadPart, void>
  /** Somebody waits for what is being read: it comes first from now on. */
  hurry(name: RepositoryName): void
  /** Names after `after` in byte order, at most `limit`. */
  list(after: string, limit: number, urgent: boolean): Promise<NamesFound>
  find(name: RepositoryName): Promise<FoundName | undefined>
  /** Those whose files have changed since they were read; `deep` looks at the bytes of blobs too. */
  newer(since: readonly ReadSince[], deep: boolean): Promise<readonly RepositoryName[]>
  close(): Promise<void>
}

/** Parts that are read ahead. */
const CREDITS = 2

type Waiting = { answer(answer: ReadingAnswer): void; fail(error: Error): void }
type Unnumbered<T> = T extends { id: number } ? Omit<T, 'id'> : never

export function createFolderReader({ dataFolder }: ReaderOptions): FolderReader {
  const waiting = new Map<number, Waiting>()
  const beingRead = new Map<string, number>()
  let thread: Worker | undefined
  let nextId = 1
  let closed = false

  function running(): Worker {
    if (thread !== undefined) return thread
    const started = startThread(new URL('./folder-thread', import.meta.url), {
      workerData: { dataFolder } satisfies ReaderOptions,
      name: 'takeover',
      resourceLimits: { maxOldGenerationSizeMb: 512, maxYoungGenerationSizeMb: 8 },
    })
    started.on('message', (answer: ReadingAnswer) => waiting.get(answer.id)?.answer(answer))
    const failAll = (error: Error): void => {
      if (thread !== started) return
      thread = undefined
      for (const { fail } of waiting.values()) fail(error)
      waiting.clear()
    }
    started.on('error', ({ message }) =>
      failAll(new UnreadableError(`the thread that reads the folder failed: ${message}`)),
    )
    started.on('exit', () => failAll(new UnreadableError('the thread that reads the folder ended')))
    thread = started
    return started
  }

  const send = (request: ReadingRequest): void => running().postMessage(request)

  function ask<K extends ReadingAnswer>(
    request: Unnumbered<ReadingRequest>,
    take: (answer: ReadingAnswer) => K | undefined,
  ): Promise<K> {
    return new Promise((resolve, reject) => {
      if (closed) return reject(new UnreadableError('the registry is shutting down'))
      const id = nextId++
      waiting.set(id, {
        answer(answer) {
          waiting.delete(id)
          const taken = take(answer)
          if (taken !== undefined) resolve(taken)
          else reject(failureOf(answer))
        },
        fail: reject,
      })
      send({ ...request, id } as ReadingRequest)
    })
  }

  async function* read(name: RepositoryName, urgent: boolean): AsyncGenerator<ReadPart, void> {
    if (closed) throw new UnreadableError('the registry is shutting down')
    const id = nextId++
    const answers: (ReadingAnswer | Error)[] = []
    let wake = (): void => undefined
    const put = (answer: ReadingAnswer | Error): void => {
      answers.push(answer)
      wake()
    }
    waiting.set(id, { answer: put, fail: put })
    beingRead.set(name, id)
    send({ do: 'read', id, name, urgent, credits: CREDITS })
    try {
      for (;;) {
        if (answers.length === 0) await new Promise<void>((resolve) => void (wake = resolve))
        const answer = answers.shift()
        if (answer === undefined) continue
        if (answer instanceof Error) throw answer
        if (!('part' in answer)) throw failureOf(answer)
        yield answer.part
        if (answer.part.end !== undefined) return
        send({ do: 'more', id })
      }
    } finally {
      waiting.delete(id)
      if (beingRead.get(name) === id) beingRead.delete(name)
      if (thread !== undefined) send({ do: 'end', id })
    }
  }

  return {
    read,
    hurry(name) {
      const id = beingRead.get(name)
      if (id !== undefined) send({ do: 'hurry', id })
    },
    list: (after, limit, urgent) =>
      ask({ do: 'list', after, limit, urgent }, (answer) => ('names' in answer ? answer : undefined)),
    find: async (name) =>
      (await ask({ do: 'find', name }, (answer) => ('found' in answer ? answer : undefined))).found,
    newer: async (since, deep) =>
      (await ask({ do: 'newer', since, deep }, (answer) => ('newer' in answer ? answer : undefined))).newer,
    async close() {
      closed = true
      const current = thread
      if (current === undefined) return
      const ended = new Promise<void>((resolve) => current.once('exit', () => resolve()))
      current.postMessage({ do: 'close' } satisfies ReadingRequest)
      await ended
    },
  }
}

function failureOf(answer: ReadingAnswer): UnreadableError {
  const { code, message } =
    'failure' in answer ? answer.failure : { code: undefined, message: 'unexpected answer' }
  return new UnreadableError(message, code)
}
