/** What the schemas of several resources have in common. */
import * as z from 'zod'
import { RULE_ACTIONS } from '../auth/permission.ts'
import { isProblem, parsePattern } from '../auth/rules/pattern.ts'
import { isRepositoryName } from '../oci/reference.ts'

/** Schemas with a name of their own in the OpenAPI document. */
export const named = z.registry<{ id: string; description?: string }>()

export const time = z.iso.datetime({ offset: true }).describe('RFC 3339')
export const timeOrNull = time.nullable()
export const action = z.enum(RULE_ACTIONS as ['pull', ...typeof RULE_ACTIONS])

export const pattern = z
  .string()
  .max(255)
  .superRefine((text, context) => {
    const parsed = parsePattern(text)
    if (isProblem(parsed)) context.addIssue({ code: 'custom', message: `a pattern ${parsed.problem}` })
  })
  .describe('Repositories: `team/app`, `team/*` (one component), `team/**` (all the rest), `{user}/**`')

export const repository = z.string().max(255).refine(isRepositoryName, {
  error:
    'this is no name of a repository: lower-case letters and digits, joined by ".", "_", "__" or "-", with slashes',
})

export const scope = z
  .strictObject({ repositories: pattern, actions: z.array(action).min(1).max(5) })
  .register(named, { id: 'Scope', description: 'What is allowed in the repositories that a pattern matches' })
export const scopes = z.array(scope).max(100)

/** Of accounts, groups and robots, as they come; which names new ones may have, their own rules say. */
export const name = z.string().min(1).max(255)
export const newPassword = z.string().min(1).max(1024)
export const description = z.string().max(1000)
export const id = z
  .string()
  .regex(/^[1-9]\d{0,15}$/, 'an id is a number')
  .transform(Number)

/** A page of a list is asked for with these. */
export const pageQuery = z.strictObject({
  limit: z
    .string()
    .regex(/^\d{1,4}$/, 'a number from 1 to 200')
    .transform(Number)
    .pipe(z.number().int().min(1).max(200))
    .default(50)
    .describe('At most this many items, 1 to 200'),
  cursor: z.string().max(1000).optional().describe('`next` of the page before'),
  q: z.string().max(255).optional().describe('Only what has this in its name'),
})

export function listOf<T extends z.ZodType>(item: T) {
  return z.object({
    items: z.array(item),
    next: z.string().nullable().describe('`cursor` of the next page; null: this is the last one'),
  })
}

export const byName = z.strictObject({ name })
