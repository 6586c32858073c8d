/**
 * The thread that reads a folder of CNCF Distribution. Everything is done a step at a time, what requests wait for
 * first and in turn, so that a giant repository holds nobody up.
 */
import { parentPort, workerData } from 'node:worker_threads'
import type { Finding, FoundName } from './found.ts'
import { isNewer } from './newer.ts'
import { readParts } from './read-part.ts'
import type { ReadingAnswer, ReadingRequest } from './folder-messages.ts'
import { findRepositoryFolder, walkRepositories } from './repositories.ts'
import { requireStillThere } from './still-there.ts'

export type ReaderOptions = { dataFolder: string }

/** A step of this many names, when they are listed. */
const STEP_NAMES = 50
/** Of what stands beside repositories, so much is told a page. */
const MOST_BESIDE = 100

/** Steps at a time: of what nobody waits for, and in all. */
const STEPS = 3
const MOST_STEPS = 8
/** While somebody waits, a step of what nobody waits for is only begun so often. */
const QUIET_MS = 200

type Task = {
  id: number
  urgent: boolean
  /** Parts that may be read before somebody asks for more; undefined: this needs no asking. */
  credits: number | undefined
  isRunning: boolean
  /** An answer, or nothing yet; its end is the task's. */
  steps: AsyncIterator<ReadingAnswer | undefined>
}

if (parentPort !== null) run(parentPort, workerData as ReaderOptions)

function run(port: NonNullable<typeof parentPort>, { dataFolder }: ReaderOptions): void {
  const tasks = new Map<number, Task>()
  let running = 0
  let quietUntil = 0

  function schedule(): void {
    for (let task = next(); task !== undefined; task = next()) void step(task)
  }

  /** The one that has waited longest: whoever had a step goes to the end. */
  function next(): Task | undefined {
    if (running >= MOST_STEPS) return undefined
    let other: Task | undefined
    let isWaitedFor = false
    for (const task of tasks.values()) {
      if (task.urgent && task.credits !== 0) isWaitedFor = true
      if (task.credits === 0 || task.isRunning) continue
      if (task.urgent) return task
      other ??= task
    }
    // Reading holds this thread up, and so whatever waits for the file system here.
    if (running >= STEPS || (isWaitedFor && performance.now() < quietUntil)) return undefined
    if (other !== undefined) quietUntil = performance.now() + QUIET_MS
    return other
  }

  async function step(task: Task): Promise<void> {
    running++
    task.isRunning = true
    const isOver = await answerOf(task).finally(() => {
      running--
      task.isRunning = false
    })
    const isWanted = tasks.delete(task.id)
    if (isWanted && !isOver) tasks.set(task.id, task)
    schedule()
  }

  /** @returns whether that was the last */
  async function answerOf(task: Task): Promise<boolean> {
    try {
      const { done, value } = await task.steps.next()
      if (value !== undefined) {
        port.postMessage(value)
        if (task.credits !== undefined) task.credits--
      }
      return done === true
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      port.postMessage({ id: task.id, failure: { code, message } } satisfies ReadingAnswer)
      return true
    }
  }

  port.on('message', (request: ReadingRequest) => {
    if (request.do === 'close') return port.close()
    const task = tasks.get(request.id)
    if (request.do === 'end') tasks.delete(request.id)
    else if (request.do === 'hurry') {
      if (task !== undefined) task.urgent = true
    } else if (request.do === 'more') {
      if (task?.credits !== undefined) task.credits++
    } else tasks.set(request.id, taskOf(dataFolder, request))
    schedule()
  })
}

function taskOf(
  dataFolder: string,
  request: Exclude<ReadingRequest, { do: 'close' | 'end' | 'hurry' | 'more' }>,
): Task {
  const { id } = request
  const task = { id, urgent: true, credits: undefined, isRunning: false }
  switch (request.do) {
    case 'read':
      return { ...task, ...request, steps: read(dataFolder, request) }
    case 'list':
      return { ...task, urgent: request.urgent, steps: list(dataFolder, request) }
    case 'find':
      return { ...task, steps: find(dataFolder, request) }
    case 'newer':
      return { ...task, urgent: false, steps: newer(dataFolder, request) }
  }
}

type Steps = AsyncGenerator<ReadingAnswer | undefined, undefined>
type Of<K> = Extract<ReadingRequest, { do: K }>

async function* read(dataFolder: string, { id, name }: Of<'read'>): Steps {
  const found = await findRepositoryFolder(dataFolder, name)
  if (found === undefined) throw new Error(`the folder of the repository ${name} is gone`)
  for await (const part of readParts(dataFolder, found)) yield { id, part }
  return undefined
}

async function* list(dataFolder: string, { id, after, limit }: Of<'list'>): Steps {
  const names: FoundName[] = []
  const beside: Finding[] = []
  let seen = 0
  const report = (finding: Finding): void => {
    if (++seen <= MOST_BESIDE) beside.push(finding)
  }
  for await (const found of walkRepositories(dataFolder, after, report)) {
    names.push(found)
    if (names.length === limit) break
    if (names.length % STEP_NAMES === 0) yield undefined
  }
  if (names.length < limit) requireStillThere(dataFolder)
  yield { id, names, beside }
  return undefined
}

async function* find(dataFolder: string, { id, name }: Of<'find'>): Steps {
  const found = await findRepositoryFolder(dataFolder, name)
  if (found === undefined) requireStillThere(dataFolder)
  yield { id, found }
  return undefined
}

async function* newer(dataFolder: string, { id, since, deep }: Of<'newer'>): Steps {
  const changed = []
  for (const one of since) {
    if (isNewer(dataFolder, one, deep)) changed.push(one.name)
    yield undefined
    // Others' turn: looking is done without waiting.
    await new Promise((resolve) => setImmediate(resolve))
  }
  requireStillThere(dataFolder)
  yield { id, newer: changed }
  return undefined
}
