/** Runs the background tasks of one process, each at its own pace, never one beside itself. */
import type { Logger } from '../lib/logger.ts'

export type Task = {
  name: string
  everyMs: number
  run(signal: AbortSignal): Promise<void>
}

export type Schedule = {
  /** Runs a task soon, without waiting for its turn. */
  nudge(name: string): void
  /** Ends the waiting, and waits for what is running. */
  stop(): Promise<void>
}

/** Spreads the work of processes that started together. */
const JITTER = 0.2

export function startSchedule(tasks: readonly Task[], log: Logger): Schedule {
  const controller = new AbortController()
  const timers = new Map<string, NodeJS.Timeout>()
  const running = new Map<string, Promise<void>>()

  async function run(task: Task): Promise<void> {
    try {
      await task.run(controller.signal)
    } catch (error) {
      if (!controller.signal.aborted)
        log.error('a background task failed; it runs again at its next turn', { task: task.name, error })
    }
  }

  function plan(task: Task, delayMs: number): void {
    if (controller.signal.aborted) return
    clearTimeout(timers.get(task.name))
    const timer = setTimeout(() => start(task), delayMs)
    timer.unref()
    timers.set(task.name, timer)
  }

  function start(task: Task): void {
    if (running.has(task.name)) return
    const done = run(task).finally(() => {
      running.delete(task.name)
      plan(task, task.everyMs * (1 + JITTER * (Math.random() - 0.5)))
    })
    running.set(task.name, done)
  }

  for (const task of tasks) plan(task, task.everyMs * Math.random())
  return {
    nudge(name) {
      const task = tasks.find((one) => one.name === name)
      if (task !== undefined && !running.has(name)) plan(task, 0)
    },
    async stop() {
      controller.abort()
      for (const timer of timers.values()) clearTimeout(timer)
      await Promise.all(running.values())
    },
  }
}
