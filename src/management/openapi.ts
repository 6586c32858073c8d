/** The contract as an OpenAPI 3.1 document. */
import * as z from 'zod'
import { contract } from './contract.ts'
import { named } from './contract-parts.ts'
import type { AnyRoute, ApiPermission } from './contract-route.ts'
import { PROBLEMS } from './problem.ts'

type Json = Record<string, unknown>

/** @param prefix what stands before `/api/` */
export function openapi({ version, prefix }: { version: string; prefix: string }): Json {
  const components: Record<string, unknown> = { Problem: PROBLEM }
  const paths: Record<string, Json> = {}
  for (const [name, route] of Object.entries<AnyRoute>(contract)) {
    const path = (paths[route.path] ??= {})
    path[route.method.toLowerCase()] = operationOf(name, route, components)
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Berth',
      version,
      description: 'The management API: accounts, robots, rules and the record of what everybody did.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    jsonSchemaDialect: 'https://json-schema.org/draft/2020-12/schema',
    servers: [{ url: `${prefix.replace(/\/+$/, '')}/api/v1` }],
    paths,
    components: {
      schemas: components,
      securitySchemes: {
        password: { type: 'http', scheme: 'basic', description: 'Name and password, or name and a secret' },
        secret: { type: 'http', scheme: 'bearer', description: 'A personal token, or the secret of a robot' },
        session: {
          type: 'apiKey',
          in: 'cookie',
          name: '__Host-berth',
          description: 'Over plain HTTP: `berth`',
        },
      },
      responses: {
        Problem: {
          description: 'What is wrong, and what to do (RFC 9457)',
          content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
        },
      },
    },
  }
}

const PROBLEM: Json = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'code', 'requestId'],
  properties: {
    type: { type: 'string', format: 'uri' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    code: { type: 'string', enum: Object.keys(PROBLEMS) },
    requestId: { type: 'string' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['pointer', 'detail'],
        properties: {
          pointer: {
            type: 'string',
            description: 'Into the body; `?name`: of the query, `{name}`: of the path',
          },
          detail: { type: 'string' },
        },
      },
    },
  },
}

function operationOf(operationId: string, route: AnyRoute, components: Json): Json {
  const { permission, summary, doc, body, answer, status, etag } = route
  const schema = (type: z.ZodType, io: 'input' | 'output'): Json => schemaOf(type, io, components)
  const parameters = [
    ...fieldsOf(route.params, 'path', components),
    ...fieldsOf(route.query, 'query', components),
  ]
  if (etag === 'required') {
    parameters.push(header('If-Match', 'The ETag of what was read'))
    if (route.method === 'PUT') parameters.push(header('If-None-Match', '`*`: it is not there yet'))
  }
  return {
    operationId,
    summary,
    description: [doc, `${permissionText(permission)}.`].filter(Boolean).join(' '),
    ...(permission === 'anyone' ? { security: [{}, ...SECURITY] } : { security: SECURITY }),
    ...(parameters.length > 0 && { parameters }),
    ...(body && {
      requestBody: { required: true, content: { 'application/json': { schema: schema(body, 'input') } } },
    }),
    responses: {
      [status]: {
        description: answer === undefined ? 'Done' : summary,
        ...(etag !== undefined &&
          answer !== undefined && { headers: { ETag: { schema: { type: 'string' } } } }),
        ...(answer && { content: { 'application/json': { schema: schema(answer, 'output') } } }),
      },
      default: { $ref: '#/components/responses/Problem' },
    },
  }
}

const SECURITY = [{ password: [] }, { secret: [] }, { session: [] }]

function header(name: string, description: string): Json {
  return { name, in: 'header', required: false, description, schema: { type: 'string' } }
}

/** Each field of an object as a parameter. */
function fieldsOf(fields: z.ZodObject, place: 'path' | 'query', components: Json): Json[] {
  return Object.entries(fields.shape).map(([name, field]) => {
    const { description, default: fallback, ...schema } = schemaOf(field as z.ZodType, 'input', components)
    const isOptional = (field as z.ZodType).safeParse(undefined).success
    return {
      name,
      in: place,
      required: place === 'path' || !isOptional,
      ...(description !== undefined && { description }),
      // What comes in a URL is text; the default is what it means.
      schema: fallback === undefined ? schema : { ...schema, default: String(fallback as number) },
    }
  })
}

/** JSON Schema; what has a name stands among the components once. */
function schemaOf(type: z.ZodType, io: 'input' | 'output', components: Json): Json {
  const made = z.toJSONSchema(type, {
    metadata: named,
    io,
    unrepresentable: 'any',
    override({ zodSchema, jsonSchema }) {
      const { description } = zodSchema as unknown as z.ZodType
      if (description !== undefined) jsonSchema.description ??= description
      // The format says it all, and more readably.
      if (jsonSchema.format === 'date-time') delete jsonSchema.pattern
      // Answers may have more one day; what is sent may not.
      if (io === 'output') delete jsonSchema.additionalProperties
    },
  })
  const moved = JSON.parse(JSON.stringify(made).replaceAll('"#/$defs/', '"#/components/schemas/')) as Json
  const { $schema: _, $defs, ...schema } = moved
  for (const [name, definition] of Object.entries(($defs ?? {}) as Json)) {
    const { id: __, ...rest } = definition as Json
    if (components[name] === undefined || io === 'input') components[name] = rest
  }
  return schema
}

const WORDS = {
  anyone: 'Anyone',
  self: 'Whoever signed in, about themselves',
  person: 'People who signed in with a password, a certificate or a session',
  delegate: 'Whoever has `admin` on it',
  administrator: 'Administrators',
} as const

export function permissionText(permission: ApiPermission<never>): string {
  return typeof permission === 'string'
    ? WORDS[permission]
    : 'Whoever has `admin` on all that the patterns match'
}
