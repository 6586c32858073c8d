/** Rules, why somebody may do something, and the record of what everybody did. */
import * as z from 'zod'
import { AUDIT_ACTS } from '../auth/audit.ts'
import { parseWho } from '../auth/rules/who.ts'
import { action, listOf, name, named, pageQuery, pattern, repository, time } from './contract-parts.ts'
import { route } from './contract-route.ts'

const who = z
  .string()
  .max(300)
  .superRefine((text, context) => {
    const parsed = parseWho(text)
    if ('problem' in parsed) context.addIssue({ code: 'custom', message: `this ${parsed.problem}` })
  })

const allow = z
  .record(who, z.array(action).max(5))
  .refine((entries) => Object.keys(entries).length <= 1000, 'a rule has at most 1000 entries')
  .describe(
    'Who may do what: `anonymous`, `signed-in`, `user:NAME`, `group:NAME`, `robot:NAME`, `claim:NAME`, each with actions',
  )

const rule = z
  .object({
    pattern: z.string(),
    allow: z.record(z.string(), z.array(action)),
    managedBy: z
      .enum(['file', 'api'])
      .describe('`file`: the configuration file has it; it cannot be changed here'),
    source: z.string().describe('Where it stands'),
  })
  .register(named, { id: 'Rule', description: 'Who may do what in the repositories that a pattern matches' })

const byPattern = z.strictObject({ pattern })
const ofPattern = ({ params }: { params: { pattern: string } }): readonly string[] => [params.pattern]

export const ruleRoutes = {
  listRules: route({
    method: 'GET',
    path: '/rules',
    summary: 'Rules of the configuration file and of the database that are in your hands',
    permission: 'delegate',
    needs: 'access',
    query: pageQuery,
    answer: listOf(rule),
  }),
  getRule: route({
    method: 'GET',
    path: '/rules/{pattern}',
    summary: 'One rule',
    permission: { administers: ofPattern, otherwise: 'absent' },
    needs: 'access',
    params: byPattern,
    answer: rule,
    etag: 'given',
  }),
  putRule: route({
    method: 'PUT',
    path: '/rules/{pattern}',
    summary: 'Make or change the rule of a pattern',
    doc:
      'With `If-None-Match: *` it must not be there yet; with `If-Match` and the ETag that you read it must not have changed. ' +
      'It holds with the next request, in every process.',
    permission: { administers: ofPattern, otherwise: 'denied' },
    needs: 'access',
    recorded: { act: 'rule', target: ({ params }) => params.pattern },
    params: byPattern,
    body: z.strictObject({ allow }),
    answer: rule,
    etag: 'required',
  }),
  deleteRule: route({
    method: 'DELETE',
    path: '/rules/{pattern}',
    summary: 'Remove the rule of a pattern',
    permission: { administers: ofPattern, otherwise: 'absent' },
    needs: 'access',
    recorded: { act: 'rule', target: ({ params }) => params.pattern },
    params: byPattern,
    etag: 'required',
  }),
}

export const explainRoutes = {
  explainAccess: route({
    method: 'GET',
    path: '/access/explain',
    summary: 'Whether somebody may do something, and which rule says so',
    doc: 'About yourself, or about others where you have `admin`.',
    permission: 'self',
    needs: 'access',
    query: z.strictObject({
      repository,
      action,
      who: z
        .string()
        .max(300)
        .optional()
        .describe('`anonymous`, `user:NAME` or `robot:NAME`. Left out: yourself'),
    }),
    answer: z.object({
      who: z.string(),
      action,
      repository: z.string(),
      allowed: z.boolean(),
      pattern: z
        .string()
        .nullable()
        .describe('The pattern that decided; null: none matched, the defaults did'),
      source: z.string(),
      why: z.string(),
    }),
  }),
}

const entry = z
  .object({
    id: z.number().int(),
    at: time,
    act: z.string(),
    outcome: z.enum(['done', 'refused', 'failed']),
    principal: z.object({ id: z.string(), name: z.string() }),
    target: z.string(),
    detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])).nullable(),
    address: z.string(),
    client: z.string(),
    requestId: z.string(),
    times: z.number().int(),
  })
  .register(named, { id: 'AuditEntry' })

export const auditRoutes = {
  listAudit: route({
    method: 'GET',
    path: '/audit',
    summary: 'What everybody did, newest first',
    permission: 'administrator',
    needs: 'accounts',
    query: pageQuery.omit({ q: true }).extend({
      principal: name.optional().describe('Of this name'),
      target: z.string().max(300).optional().describe('What the target begins with'),
      act: z.enum(AUDIT_ACTS).optional(),
      outcome: z.enum(['done', 'refused', 'failed']).optional(),
      since: time.optional(),
      until: time.optional(),
    }),
    answer: listOf(entry),
  }),
}
