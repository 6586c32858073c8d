/** When to try again, and when no more. */
import type { IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { isPassing, retryAfterMs } from './failure.ts'

export const MOST_TRIES = 6
const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 15_000
/** Longer than this nobody is made to wait, whatever the registry asks for. */
const LONGEST_ASKED_MS = 120_000
const BUSY: ReadonlySet<number | undefined> = new Set([408, 429, 500, 502, 503, 504])

const isBusy = ({ statusCode }: IncomingMessage): boolean => BUSY.has(statusCode)

/**
 * How long to wait before the next try.
 * @param tries how many there have been
 * @param asked milliseconds that the registry asks for
 */
export function waitBefore(tries: number, asked?: number): number {
  if (asked !== undefined) return Math.min(asked, LONGEST_ASKED_MS)
  const wait = Math.min(FIRST_WAIT_MS * 2 ** (tries - 1), LONGEST_WAIT_MS)
  // Many that were turned away together shall not come again together.
  return wait * (0.75 + Math.random() / 2)
}

export type Waiting = { why: string; ms: number }

/**
 * Sends again what failed in passing. @returns the last answer, which may still be a busy one
 * @param onWait told before each wait of a second or longer
 */
export async function retrying(
  send: () => Promise<IncomingMessage>,
  {
    host,
    signal,
    onWait,
    tries: most = MOST_TRIES,
  }: {
    host: string
    signal?: AbortSignal | undefined
    onWait?: ((waiting: Waiting) => void) | undefined
    tries?: number
  },
): Promise<IncomingMessage> {
  for (let tries = 1; ; tries++) {
    let wait: Waiting
    try {
      const answer = await send()
      if (!isBusy(answer) || tries >= most) return answer
      wait = {
        why: `${host} answers ${answer.statusCode}`,
        ms: waitBefore(tries, retryAfterMs(answer.headers['retry-after'])),
      }
      answer.destroy()
    } catch (error) {
      if (!isPassing(error) || tries >= most) throw error
      wait = { why: (error as Error).message, ms: waitBefore(tries) }
    }
    if (wait.ms >= 1000) onWait?.(wait)
    await sleep(wait.ms, undefined, signal && { signal })
  }
}
