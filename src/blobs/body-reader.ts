/**
 * Reads a body chunk by chunk until it ends, breaks off, or the signal says stop. A body that stalls cannot hold up
 * an abort, and nothing is left behind per chunk (a race against one long-lived promise would leak).
 */
export type BodyReader = {
  /** The next chunk; undefined when there is no more, for whatever reason. */
  next(): Promise<Uint8Array | undefined>
  /** Why the body ended early, if it did. */
  readonly failure: unknown
  /** Lets go of the body. */
  close(): void
}

export function createBodyReader(body: AsyncIterable<Uint8Array>, signal: AbortSignal): BodyReader {
  const iterator = body[Symbol.asyncIterator]()
  let ended = false
  let failure: unknown
  let settle: ((chunk: Uint8Array | undefined) => void) | undefined

  const onAbort = (): void => {
    failure ??= signal.reason ?? new Error('told to stop')
    settle?.(undefined)
  }
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()

  const onStep = (step: IteratorResult<Uint8Array>): void => {
    if (step.done === true) ended = true
    settle?.(step.done === true ? undefined : step.value)
  }
  const onError = (error: unknown): void => {
    ended = true
    failure ??= error ?? new Error('the body broke off')
    settle?.(undefined)
  }
  return {
    next: () =>
      new Promise((resolve) => {
        if (ended || failure !== undefined) return resolve(undefined)
        settle = resolve
        iterator.next().then(onStep, onError)
      }),
    get failure() {
      return failure
    },
    close() {
      signal.removeEventListener('abort', onAbort)
      settle = undefined
      // Not awaited: a generator that waits for a stalled client would answer only when the client does.
      if (!ended) iterator.return?.().then(undefined, () => undefined)
    },
  }
}
