/** What a route of the API is: a description that types, checks, permission and documentation come from. */
import * as z from 'zod'
import type { AuditAct } from '../auth/audit.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

type Fields = z.ZodObject
/** Of a route without a body, or without an answer. */
type Nothing = undefined

export type InputOf<P extends Fields, Q extends Fields, B extends z.ZodType | Nothing> = {
  readonly params: z.output<P>
  readonly query: z.output<Q>
  readonly body: B extends z.ZodType ? z.output<B> : undefined
}

/**
 * Who may. It is decided before anything is looked up, so that what is not there and what is not shown are the same
 * answer. Everyone but `anyone` has signed in; whoever did not gets a 401.
 *
 * - `anyone`: whoever reaches the registry.
 * - `self`: every account, and the route is about that account only.
 * - `person`: a person who is there: by name and password or in a session, not by a secret that was given to a program.
 * - `delegate`: every account; the route shows and changes only what lies below patterns that it administers, and the
 *   handler asks {@link Reach} for each row.
 * - `administers`: whoever administers all these patterns; others are refused as `otherwise` says.
 * - `administrator`: who may do everything.
 */
export type ApiPermission<Input> = PermissionWord | Administers<Input>

export type PermissionWord = 'anyone' | 'self' | 'person' | 'delegate' | 'administrator'

export type Administers<Input> = {
  readonly administers: (input: Input) => readonly string[]
  /** `absent`: 404, as if it were not there. */
  readonly otherwise: 'denied' | 'absent'
}

/**
 * What the registry must have been configured with for the route to be of use. `accounts`: anything that people sign
 * in with here. `access`: accounts, robots and rules of Berth's own.
 */
export type Need = 'nothing' | 'accounts' | 'access'

/** What the record of changes says of a route: every one that changes something has it. */
export type Recorded<Input> = {
  readonly act: AuditAct
  /** What it is done to: `user:alice`, `team/**`. */
  readonly target: (input: Input) => string
  /** Where it is refused, who refuses it has recorded that. */
  readonly refusals?: 'elsewhere'
}

/** Everything about a route. `permission` has no default: without one it does not compile. */
export type Route<
  P extends Fields = Fields,
  Q extends Fields = Fields,
  B extends z.ZodType | Nothing = z.ZodType | Nothing,
  A extends z.ZodType | Nothing = z.ZodType | Nothing,
  M = ApiPermission<never>,
  N extends Need = Need,
> = {
  readonly method: Method
  /** Below `/api/v1`. `{name}` also takes slashes: what follows it begins with `/-/`. */
  readonly path: string
  readonly summary: string
  /** More, for those who call it; one paragraph. */
  readonly doc?: string
  readonly permission: M
  readonly needs: N
  readonly params: P
  readonly query: Q
  readonly body: B
  /** The schema of what is answered; undefined: 204. */
  readonly answer: A
  readonly status: 200 | 201 | 204
  /** `required`: needs `If-Match` or `If-None-Match: *`; `given`: answers carry an ETag. */
  readonly etag?: 'given' | 'required'
  /** Its answer holds a secret, which is never shown again. */
  readonly secret?: true
  readonly recorded?: Recorded<never>
}

type Spec<
  P extends Fields,
  Q extends Fields,
  B extends z.ZodType | Nothing,
  A extends z.ZodType | Nothing,
  W,
  N extends Need,
> = Pick<Route, 'path' | 'summary' | 'doc' | 'etag' | 'secret'> & {
  readonly needs: N
  readonly permission: W | Administers<InputOf<P, Q, B>>
  readonly params?: P
  readonly query?: Q
  readonly body?: B
  readonly answer?: A
  readonly status?: 200 | 201
} & (
    | { readonly method: 'GET' }
    | { readonly method: Exclude<Method, 'GET'>; readonly recorded: Recorded<InputOf<P, Q, B>> }
  )

/** No fields at all. */
type Empty = z.ZodObject<Record<string, never>>

export function route<
  P extends Fields = Empty,
  Q extends Fields = Empty,
  B extends z.ZodType | Nothing = Nothing,
  A extends z.ZodType | Nothing = Nothing,
  const W extends PermissionWord = never,
  const N extends Need = Need,
>(spec: Spec<P, Q, B, A, W, N>): Route<P, Q, B, A, [W] extends [never] ? Administers<never> : W, N> {
  const { params, query, body, answer, status, ...rest } = spec
  return {
    ...rest,
    permission: rest.permission as [W] extends [never] ? Administers<never> : W,
    params: params ?? (z.strictObject({}) as unknown as P),
    query: query ?? (z.strictObject({}) as unknown as Q),
    body: body as B,
    answer: answer as A,
    status: answer === undefined ? 204 : (status ?? 200),
  }
}

export type AnyRoute = Route

/** What the handler of a route is given of the request, and what it has to answer. */
export type InputOfRoute<R> =
  R extends Route<infer P, infer Q, infer B, z.ZodType | Nothing, unknown> ? InputOf<P, Q, B> : never
export type AnswerOfRoute<R extends AnyRoute> = R['answer'] extends z.ZodType ? z.input<R['answer']> : void
