/** What came with a request, as its route's schemas say, or a problem that names each field that is wrong. */
import type * as z from 'zod'
import { type FieldError, Problem } from './problem.ts'

const MAX_BODY = 64 * 1024
/** Levels of JSON; what the API takes has at most five. */
const MAX_DEPTH = 16
const MAX_ERRORS = 20

/**
 * @param where what stands before the name in a pointer: `/` for a body, `?` for a query, `{` for a path
 * @throws Problem INVALID
 */
export function parseInput<S extends z.ZodType>(
  schema: S,
  value: unknown,
  where: '/' | '?' | '{',
): z.output<S> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const errors = result.error.issues.flatMap((issue) => fieldErrors(issue, where)).slice(0, MAX_ERRORS)
  const [first] = errors
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : ''
  throw new Problem('INVALID', `${first?.pointer ?? where}: ${first?.detail ?? 'not valid'}${more}`, {
    errors,
  })
}

function fieldErrors(issue: z.core.$ZodIssue, where: '/' | '?' | '{'): FieldError[] {
  const at = pointerOf(issue.path, where)
  if (issue.code !== 'unrecognized_keys') return [{ pointer: at, detail: issue.message }]
  return issue.keys.map((key) => ({
    pointer: pointerOf([...issue.path, key], where),
    detail: 'there is no such field',
  }))
}

/** RFC 6901; what the client named itself is kept short. */
function pointerOf(path: readonly PropertyKey[], where: '/' | '?' | '{'): string {
  const parts = path.map((part) => String(part).slice(0, 100).replaceAll('~', '~0').replaceAll('/', '~1'))
  if (where === '/') return parts.length === 0 ? '' : `/${parts.join('/')}`
  return where === '?' ? `?${parts.join('.')}` : `{${parts.join('.')}}`
}

/**
 * The body as JSON.
 * @throws Problem UNSUPPORTED_MEDIA_TYPE, BODY_TOO_LARGE, INVALID
 */
export async function readJson(request: Request): Promise<unknown> {
  const type = request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/json')
    throw new Problem('UNSUPPORTED_MEDIA_TYPE', 'send JSON, with Content-Type: application/json')
  const text = decode(await readBytes(request))
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new Problem('INVALID', 'the body is not JSON')
  }
  checkJson(value, 0)
  return value
}

async function readBytes(request: Request): Promise<Uint8Array> {
  if (Number(request.headers.get('content-length') ?? 0) > MAX_BODY) throw tooLarge()
  const chunks: Uint8Array[] = []
  let bytes = 0
  try {
    for await (const chunk of request.body ?? []) {
      bytes += chunk.byteLength
      if (bytes > MAX_BODY) throw tooLarge()
      chunks.push(chunk)
    }
  } catch (error) {
    if (error instanceof Problem) throw error
    throw new Problem('INVALID', 'the client left before its body was complete', { cause: error })
  }
  return Buffer.concat(chunks)
}

function tooLarge(): Problem {
  return new Problem('BODY_TOO_LARGE', `a body has at most ${MAX_BODY / 1024} KiB`)
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new Problem('INVALID', 'the body is not UTF-8')
  }
}

/** No schema sees what is too deep, or a key that JavaScript takes for something else. */
function checkJson(value: unknown, depth: number): void {
  if (typeof value !== 'object' || value === null) return
  if (depth >= MAX_DEPTH) throw new Problem('INVALID', `the body is deeper than ${MAX_DEPTH} levels`)
  for (const key of Object.keys(value)) {
    if (key === '__proto__') throw new Problem('INVALID', 'no field is called __proto__')
    checkJson((value as Record<string, unknown>)[key], depth + 1)
  }
}

/**
 * @returns each parameter's text; one that is given twice is a list
 * @throws Problem INVALID
 */
export function readQuery(url: URL): Record<string, unknown> {
  const query: Record<string, unknown> = Object.create(null) as Record<string, unknown>
  for (const key of new Set(url.searchParams.keys())) {
    const values = url.searchParams.getAll(key)
    query[key] = values.length === 1 ? values[0] : values
  }
  return { ...query }
}
