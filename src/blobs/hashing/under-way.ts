/** Work of one hash that was sent and is not done: at most a few pieces, whose failures are kept for who asks. */
export type UnderWay = {
  readonly size: number
  /** The first thing that went wrong. */
  failure: unknown
  add(work: Promise<unknown>): void
  /** Resolves when less than `most` is under way. @throws the failure */
  room(most: number): Promise<void>
  /** Resolves when nothing is under way; never fails. */
  over(): Promise<void>
  /** @throws the failure */
  check(): void
}

export function createUnderWay(): UnderWay {
  const works = new Set<Promise<void>>()
  const underWay: UnderWay = {
    failure: undefined,
    get size() {
      return works.size
    },
    add(work) {
      const tracked = work.then(
        () => void works.delete(tracked),
        (error: unknown) => {
          works.delete(tracked)
          underWay.failure ??= error
        },
      )
      works.add(tracked)
    },
    async room(most) {
      while (works.size >= most) await Promise.race(works)
      underWay.check()
    },
    over: async () => void (await Promise.all(works)),
    check() {
      if (underWay.failure !== undefined) throw underWay.failure as Error
    },
  }
  return underWay
}
