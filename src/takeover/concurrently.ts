/** Calls `work` for each, at most `limit` at a time. After the first failure nothing new is begun, and it is thrown. */
export async function concurrently<T>(
  items: Iterable<T>,
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items[Symbol.iterator]()
  let failed = false
  const one = async (): Promise<void> => {
    for (let next = rest.next(); next.done !== true && !failed; next = rest.next()) {
      await work(next.value).catch((error: unknown) => {
        failed = true
        throw error
      })
    }
  }
  const ended = await Promise.allSettled(Array.from({ length: limit }, one))
  const failure = ended.find((result) => result.status === 'rejected')
  if (failure !== undefined) throw failure.reason
}
