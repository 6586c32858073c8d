/** A few at a time; the others wait, but not too many and not for ever. */
export type Turns = {
  /** @throws what `full` makes: too many wait. The signal's reason: it was not its turn in time */
  take<T>(action: () => Promise<T>, signal: AbortSignal): Promise<T>
}

export function createTurns(options: { atOnce: number; waiting: number; full: () => Error }): Turns {
  let running = 0
  const waiting = new Set<() => void>()

  const turn = (signal: AbortSignal): Promise<void> => {
    if (running < options.atOnce) {
      running++
      return Promise.resolve()
    }
    if (waiting.size >= options.waiting) return Promise.reject(options.full())
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const begin = (): void => {
      signal.removeEventListener('abort', giveUp)
      resolve()
    }
    const giveUp = (): void => {
      waiting.delete(begin)
      reject(signal.reason as Error)
    }
    signal.addEventListener('abort', giveUp, { once: true })
    waiting.add(begin)
    return promise
  }
  return {
    async take(action, signal) {
      await turn(signal)
      try {
        return await action()
      } finally {
        const [next] = waiting
        if (next === undefined) running--
        else {
          waiting.delete(next)
          next()
        }
      }
    },
  }
}
