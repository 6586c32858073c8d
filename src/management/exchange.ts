/** One request to the API, as its handler sees it. */
import type { IncomingMessage } from 'node:http'
import { setImmediate } from 'node:timers/promises'
import type { AccessNow } from '../auth/access.ts'
import type { Account } from '../auth/identity.ts'
import type { Principal } from '../auth/principal.ts'
import type { Actor } from '../metadata/actor.ts'
import type { Contract, RouteName } from './contract.ts'
import type { AnswerOfRoute, AnyRoute, InputOfRoute, Need } from './contract-route.ts'
import { Problem } from './problem.ts'

/** Who asks, and from where. */
export type Caller = {
  readonly principal: Principal
  /** Undefined: nobody signed in. */
  readonly account: Account | undefined
  /** `secret`: with something that was given to a program: a robot's secret, a personal token, a workload's token. */
  readonly via: 'nobody' | 'password' | 'certificate' | 'secret' | 'session'
  /** The session's row, where it came with one. */
  readonly sessionId: number | undefined
  readonly address: string
  /** User-Agent, at most 256 characters. */
  readonly client: string
  readonly requestId: string
}

export type SignedIn = Caller & { readonly account: Account }

export function isSignedIn(caller: Caller): caller is SignedIn {
  return caller.account !== undefined
}

/** What a delegate has in hand. */
export type Reach = {
  covers(pattern: string): Promise<boolean>
  /** All of them; of none at all, only who may do everything. */
  coversAll(patterns: readonly string[]): Promise<boolean>
}

/** Whoever has a part in hand can write rules in it of which one pattern takes long: others are answered in between. */
const MOST_BUSY_MS = 10

/** Patterns come again and again in a list, and are worked out once. */
export function createReach(now: AccessNow, principal: Principal): Reach {
  const known = new Map<string, boolean>()
  let busyMs = 0
  async function workOut(pattern: string): Promise<boolean> {
    if (busyMs > MOST_BUSY_MS) {
      await setImmediate()
      busyMs = 0
    }
    const began = performance.now()
    const may = now.mayAdminister(principal, pattern)
    busyMs += performance.now() - began
    known.set(pattern, may)
    return may
  }
  const covers = async (pattern: string): Promise<boolean> => known.get(pattern) ?? workOut(pattern)
  return {
    covers,
    async coversAll(patterns) {
      for (const pattern of patterns.length === 0 ? ['**'] : patterns)
        if (!(await covers(pattern))) return false
      return true
    },
  }
}

/** What `If-Match` and `If-None-Match` ask for. */
export type Precondition =
  /** It is not there yet. */
  | { readonly kind: 'absent' }
  /** It is one of these. */
  | { readonly kind: 'match'; readonly etags: readonly string[] }

/** @throws Problem PRECONDITION_FAILED @param etag undefined: it is not there */
export function checkPrecondition(precondition: Precondition, etag: string | undefined): void {
  const holds =
    precondition.kind === 'absent'
      ? etag === undefined
      : etag !== undefined && precondition.etags.includes(etag)
  if (holds) return
  throw new Problem(
    'PRECONDITION_FAILED',
    precondition.kind === 'absent'
      ? 'it is there already: read it, and send its ETag in If-Match to change it'
      : 'it is not as it was when you read it: read it again, and see whether your change still fits',
  )
}

export type Exchange<R extends AnyRoute> = InputOfRoute<R> & {
  readonly caller: R['permission'] extends 'anyone' ? Caller : SignedIn
  readonly reach: R['permission'] extends 'delegate' ? Reach : undefined
  /** Of a route with `etag: 'required'`. */
  readonly precondition: Precondition
  /** Headers of the answer. */
  readonly headers: Headers
  /** For rows. */
  readonly actor: Actor
  /** What the record says beside the target; never a secret. */
  readonly detail: Record<string, string | number | boolean | null>
  readonly request: IncomingMessage
  /** Whom the record names; absent: the caller. */
  actedAs(principal: Principal): void
  /** The answer's ETag, without quotes. */
  setEtag(value: string): void
}

export type Handler<R extends AnyRoute> = (x: Exchange<R>) => Promise<AnswerOfRoute<R>> | AnswerOfRoute<R>

export type HandlersOf<K extends RouteName> = { readonly [N in K]: Handler<Contract[N]> }

/** One for each route that needs just this. */
export type HandlersFor<N extends Need> = HandlersOf<
  { [K in RouteName]: Contract[K]['needs'] extends N ? K : never }[RouteName]
>
