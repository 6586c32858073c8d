/**
 * Lets all who wait for a sync of the same thing share one. A sync under way may have begun before the caller's
 * change, so only one that begins after the call will do: callers share the next one.
 */
export function createSharedSync(sync: (key: string) => Promise<void>): (key: string) => Promise<void> {
  const running = new Map<string, { current: Promise<void>; next: Promise<void> | undefined }>()

  const start = (key: string): Promise<void> => {
    const state = { current: Promise.resolve(), next: undefined as Promise<void> | undefined }
    state.current = sync(key).finally(() => {
      if (state.next === undefined) running.delete(key)
    })
    running.set(key, state)
    return state.current
  }
  return (key) => {
    const state = running.get(key)
    if (state === undefined) return start(key)
    const begin = (): Promise<void> => start(key)
    state.next ??= state.current.then(begin, begin)
    return state.next
  }
}
