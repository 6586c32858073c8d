/** Checks that run by themselves at intervals, with the semantics of Distribution's `health` section. */
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/logger.ts'

/** Resolves where all is well and rejects with what is not; gives up when the signal aborts. */
export type Check = (signal: AbortSignal) => Promise<void>

export type CheckOptions = {
  /** Time between the end of one run and the start of the next; the first run comes after one interval. */
  intervalMs: number
  /** Failures in a row before the check counts as failing; 0 and 1 mean the first. */
  threshold?: number
  /** A run that takes longer is a failure. */
  timeoutMs?: number
}

export type Health = {
  /** @throws Error for a name that is taken. */
  register(name: string, check: Check, options: CheckOptions): void
  /** Check → what is wrong. Empty where all is well; the object is replaced, not changed, so it may be kept. */
  failing(): Readonly<Record<string, string>>
  /** Declares the registry down by hand, or up again (`/debug/health/down`, `/up`). */
  setDown(down: boolean): void
  start(): void
  /** Aborts running checks and resolves when they have ended. */
  stop(): Promise<void>
}

/** Distribution's name for what is set by hand. */
const BY_HAND = 'manual_http_status'
const NONE: Readonly<Record<string, string>> = Object.freeze({})

type Registered = { name: string; check: Check; options: CheckOptions; count: number; since: number }

export function createHealth({ clock, log }: { clock: Clock; log: Logger }): Health {
  const checks = new Map<string, Registered>()
  const verdicts = createVerdicts({ clock, log })
  let schedule: Schedule | undefined
  return {
    register(name, check, options) {
      if (checks.has(name) || name === BY_HAND)
        throw new Error(`a health check of the name ${name} exists already`)
      const one = { name, check, options, count: 0, since: 0 }
      checks.set(name, one)
      schedule?.add(one)
    },
    failing: () => verdicts.failing(),
    setDown: (down) => verdicts.set(BY_HAND, down ? 'manual Check' : undefined),
    start() {
      if (schedule !== undefined) return
      schedule = createSchedule((one, error) => verdicts.settle(one, error))
      for (const one of checks.values()) schedule.add(one)
    },
    async stop() {
      const stopping = schedule
      schedule = undefined
      await stopping?.stop()
    },
  }
}

/** What is wrong now, and the log of it. */
function createVerdicts({ clock, log }: { clock: Clock; log: Logger }) {
  let failing = NONE
  const set = (name: string, message: string | undefined): void => {
    const { [name]: _old, ...others } = failing
    const next = message === undefined ? others : { ...others, [name]: message }
    failing = Object.keys(next).length === 0 ? NONE : Object.freeze(next)
  }
  const passed = (one: Registered): void => {
    one.count = 0
    if (failing[one.name] === undefined) return
    set(one.name, undefined)
    log.info('health check passes again', { check: one.name, seconds: (clock.now() - one.since) / 1000 })
  }
  const failed = (one: Registered, error: Error): void => {
    one.count += 1
    if (one.count < (one.options.threshold ?? 1)) return
    const isNew = failing[one.name] === undefined
    set(one.name, error.message)
    if (!isNew) return
    one.since = clock.now()
    log.error('health check fails; requests are answered 503 until it passes', { check: one.name, error })
  }
  return {
    failing: () => failing,
    set,
    settle: (one: Registered, error: Error | undefined) =>
      error === undefined ? passed(one) : failed(one, error),
  }
}

type Schedule = { add(one: Registered): void; stop(): Promise<void> }

/** Runs each check again and again, never twice at a time. */
function createSchedule(settle: (one: Registered, error: Error | undefined) => void): Schedule {
  const stopping = new AbortController()
  const timers = new Map<string, NodeJS.Timeout>()
  const running = new Set<Promise<void>>()
  const run = async (one: Registered): Promise<void> => {
    const error = await outcome(one, stopping.signal)
    if (stopping.signal.aborted) return
    settle(one, error)
    add(one)
  }
  const add = (one: Registered): void => {
    const timer = setTimeout(() => {
      const ended = run(one).finally(() => running.delete(ended))
      running.add(ended)
    }, one.options.intervalMs)
    timers.set(one.name, timer.unref())
  }
  return {
    add,
    async stop() {
      stopping.abort()
      for (const timer of timers.values()) clearTimeout(timer)
      await Promise.all(running)
    },
  }
}

/** Never rejects; a check that ignores its signal is left behind after its time. */
async function outcome({ check, options }: Registered, stop: AbortSignal): Promise<Error | undefined> {
  const limit = new AbortController()
  const { timeoutMs } = options
  const late = new Error(`no result within ${timeoutMs} ms`)
  const timer =
    timeoutMs === undefined || timeoutMs <= 0 ? undefined : setTimeout(() => limit.abort(late), timeoutMs)
  const signal = AbortSignal.any([stop, limit.signal])
  const aborted = Promise.withResolvers<never>()
  const giveUp = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', giveUp, { once: true })
  try {
    await Promise.race([check(signal), aborted.promise])
    return undefined
  } catch (error) {
    if (limit.signal.aborted) return late
    return error instanceof Error ? error : new Error(String(error))
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', giveUp)
  }
}
