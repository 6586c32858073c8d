/** Errors of the API (RFC 9457): ONE table, code → status → title. */
import { type ErrorCode, RegistryError } from '../oci/error.ts'
import { DatabaseBusyError, DatabaseFullError, DatabaseLostError } from '../metadata/database.ts'

export const PROBLEMS = {
  BODY_TOO_LARGE: [413, 'The body is too large'],
  CONFLICT: [409, 'This is not possible as things are'],
  CROSS_ORIGIN: [403, 'The request comes from another site'],
  DENIED: [403, 'Not allowed'],
  DISK_FULL: [507, 'The disk is full'],
  INVALID: [400, 'The request is not valid'],
  MANAGED_BY_FILE: [409, 'The configuration file has this'],
  METHOD_NOT_ALLOWED: [405, 'There is no such method here'],
  NOT_CONFIGURED: [403, 'The registry is not configured for this'],
  NOT_FOUND: [404, 'Not here, or not for you'],
  PRECONDITION_FAILED: [412, 'It has changed meanwhile'],
  PRECONDITION_REQUIRED: [428, 'Say which version you mean'],
  SERVER_ERROR: [500, 'Something went wrong in the server'],
  TOO_MANY_REQUESTS: [429, 'Too many requests'],
  UNAUTHENTICATED: [401, 'Sign in'],
  UNAVAILABLE: [503, 'Not available at the moment'],
  UNSUPPORTED_MEDIA_TYPE: [415, 'The body must be JSON'],
  WRONG_HOST: [421, 'The registry does not know itself by this name'],
} as const satisfies Record<string, readonly [status: number, title: string]>

export type ProblemCode = keyof typeof PROBLEMS

/** What is wrong with one field of the request. */
export type FieldError = {
  /** JSON pointer into the body; `?name` for a parameter of the query, `{name}` for one of the path. */
  pointer: string
  detail: string
}

type ProblemOptions = {
  errors?: readonly FieldError[]
  headers?: Readonly<Record<string, string>>
  cause?: unknown
}

/** What the API answers when it does not do what was asked. The message is for people, and says what to do. */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly code: ProblemCode
  readonly errors: readonly FieldError[]
  readonly headers: Readonly<Record<string, string>>

  constructor(code: ProblemCode, detail: string, { errors = [], headers = {}, cause }: ProblemOptions = {}) {
    super(detail, cause === undefined ? undefined : { cause })
    this.code = code
    this.errors = errors
    this.headers = headers
  }

  get status(): number {
    return PROBLEMS[this.code][0]
  }
}

/** Nothing is said of whether it is there: those who may not see it get the same. */
export function notFound(what: string): Problem {
  return new Problem('NOT_FOUND', `there is no ${what} here, or none that you may see`)
}

/** One field of the body that cannot be as it is. */
export function invalidField(pointer: string, detail: string): Problem {
  return new Problem('INVALID', `${pointer.replace(/^[/?]/, '')}: ${detail}`, {
    errors: [{ pointer, detail }],
  })
}

/** As `application/problem+json`. */
export function problemBody(problem: Problem, requestId: string): Record<string, unknown> {
  const { code, status, message, errors } = problem
  return {
    type: `urn:berth:problem:${code.toLowerCase().replaceAll('_', '-')}`,
    title: PROBLEMS[code][1],
    status,
    detail: message,
    code,
    requestId,
    ...(errors.length > 0 && { errors }),
  }
}

const OF_REGISTRY: Partial<Record<ErrorCode, ProblemCode>> = {
  DENIED: 'DENIED',
  NAME_INVALID: 'INVALID',
  TOOMANYREQUESTS: 'TOO_MANY_REQUESTS',
  UNAUTHORIZED: 'UNAUTHENTICATED',
  UNAVAILABLE: 'UNAVAILABLE',
}

/** What was thrown, as what is answered. `SERVER_ERROR`: nobody expected it, and it is to be logged. */
export function problemOf(thrown: unknown): Problem {
  if (thrown instanceof Problem) return thrown
  if (thrown instanceof RegistryError) {
    const code = OF_REGISTRY[thrown.code]
    if (code === 'UNAUTHENTICATED')
      return new Problem(code, 'name, password or token are wrong, or the account is disabled', {
        cause: thrown,
      })
    const { retryAfter } = thrown
    const headers =
      retryAfter === undefined ? {} : { 'Retry-After': String(Math.max(1, Math.ceil(retryAfter))) }
    if (code !== undefined) return new Problem(code, thrown.message, { headers, cause: thrown })
  }
  if (thrown instanceof DatabaseFullError)
    return new Problem('DISK_FULL', 'nothing was changed: free some space on the disk of the registry first')
  if (thrown instanceof DatabaseBusyError)
    return new Problem('UNAVAILABLE', 'another program holds the database: try again in a second', {
      headers: { 'Retry-After': '1' },
    })
  if (thrown instanceof DatabaseLostError)
    return new Problem('UNAVAILABLE', 'whether this was done is not known: look before you try again')
  return new Problem('SERVER_ERROR', 'the log of the registry says more, under this request id', {
    cause: thrown,
  })
}
