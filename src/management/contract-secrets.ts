/** What programs sign in with: robots and their secrets, and the tokens of persons. */
import * as z from 'zod'
import {
  byName,
  description,
  id,
  listOf,
  name,
  named,
  pageQuery,
  scope,
  scopes,
  time,
  timeOrNull,
} from './contract-parts.ts'
import { route } from './contract-route.ts'

/** Everything about a secret but the secret. */
const secret = {
  id: z.number().int(),
  hint: z.string().describe('How it begins'),
  createdAt: time,
  createdBy: z.string(),
  expiresAt: timeOrNull,
  lastUsedAt: timeOrNull,
  lastUsedFrom: z.string().nullable(),
}
const robotSecret = z
  .object(secret)
  .register(named, { id: 'RobotSecret', description: 'One of the secrets of a robot, without the secret' })
const shown = z.string().describe('The secret itself. It is shown this once')

const robot = z
  .object({
    name,
    description,
    scopes: z.array(scope),
    disabledAt: timeOrNull,
    expiresAt: timeOrNull,
    createdAt: time,
    createdBy: z.string(),
  })
  .register(named, { id: 'Robot', description: 'An account for programs' })

const token = z
  .object({ ...secret, name: z.string(), holder: z.string(), scopes: z.array(scope).nullable() })
  .register(named, { id: 'Token', description: 'A personal token, without the token' })

const expiresAt = time.nullable().optional().describe('Null or left out: it does not expire')

const robotTarget = ({ params }: { readonly params: { readonly name: string } }): string =>
  `robot:${params.name}`

export const robotRoutes = {
  listRobots: route({
    method: 'GET',
    path: '/robots',
    summary: 'Robots that are in your hands, by name',
    permission: 'delegate',
    needs: 'access',
    query: pageQuery,
    answer: listOf(robot),
  }),
  createRobot: route({
    method: 'POST',
    path: '/robots',
    summary: 'Make a robot, with its first secret',
    doc: 'Whoever has `admin` on everything that the scopes name may. The secret is in this answer, and nowhere else.',
    permission: {
      administers: ({ body }) => body.scopes.map(({ repositories }) => repositories),
      otherwise: 'denied',
    },
    needs: 'access',
    recorded: { act: 'robot', target: ({ body }) => `robot:${body.name}` },
    body: z.strictObject({
      name,
      description: description.default(''),
      scopes: scopes.min(1),
      expiresAt,
    }),
    answer: z.object({ robot, secret: robotSecret.extend({ secret: shown }) }),
    status: 201,
    secret: true,
  }),
  getRobot: route({
    method: 'GET',
    path: '/robots/{name}',
    summary: 'One robot',
    permission: 'delegate',
    needs: 'access',
    params: byName,
    answer: robot,
  }),
  changeRobot: route({
    method: 'PATCH',
    path: '/robots/{name}',
    summary: 'Change what a robot may, until when, or disable it',
    doc: 'What is left out stays. All scopes, the new ones and those it has, must be in your hands.',
    permission: 'delegate',
    needs: 'access',
    recorded: { act: 'robot', target: robotTarget },
    params: byName,
    body: z.strictObject({
      description: description.optional(),
      scopes: scopes.min(1).optional(),
      expiresAt,
      disabled: z.boolean().optional(),
    }),
    answer: robot,
  }),
  deleteRobot: route({
    method: 'DELETE',
    path: '/robots/{name}',
    summary: 'Remove a robot, with all its secrets',
    permission: 'delegate',
    needs: 'access',
    recorded: { act: 'robot', target: robotTarget },
    params: byName,
  }),
  listRobotSecrets: route({
    method: 'GET',
    path: '/robots/{name}/-/secrets',
    summary: 'The secrets of a robot that are good, without the secrets',
    permission: 'delegate',
    needs: 'access',
    params: byName,
    answer: z.object({ items: z.array(robotSecret) }),
  }),
  addRobotSecret: route({
    method: 'POST',
    path: '/robots/{name}/-/secrets',
    summary: 'Add a secret; the others stay good',
    permission: 'delegate',
    needs: 'access',
    recorded: { act: 'secret', target: robotTarget },
    params: byName,
    body: z.strictObject({ expiresAt }),
    answer: robotSecret.extend({ secret: shown }),
    status: 201,
    secret: true,
  }),
  revokeRobotSecret: route({
    method: 'DELETE',
    path: '/robots/{name}/-/secrets/{id}',
    summary: 'Revoke a secret of a robot',
    permission: 'delegate',
    needs: 'access',
    recorded: { act: 'secret', target: robotTarget },
    params: z.strictObject({ name, id }),
  }),
}

const ofHolder = z
  .string()
  .max(300)
  .optional()
  .describe("Administrators: another's, by the holder's id, as `user:7` or `ldap:alice`. Left out: your own")

export const tokenRoutes = {
  listTokens: route({
    method: 'GET',
    path: '/tokens',
    summary: 'Personal tokens that are good, without the tokens',
    permission: 'self',
    needs: 'access',
    query: pageQuery.omit({ q: true }).extend({ holder: ofHolder }),
    answer: listOf(token),
  }),
  createToken: route({
    method: 'POST',
    path: '/tokens',
    summary: 'Make a personal token',
    doc: 'It may at most what its scopes say, and never more than you may. It is in this answer, and nowhere else.',
    permission: 'person',
    needs: 'access',
    recorded: { act: 'secret', target: ({ body }) => `token:${body.name}` },
    body: z.strictObject({
      name: z.string().max(100).default(''),
      scopes: scopes
        .min(1)
        .nullable()
        .optional()
        .describe('At most this, whatever you may. Null or left out: all that you may'),
      expiresAt,
    }),
    answer: token.extend({ secret: shown }),
    status: 201,
    secret: true,
  }),
  revokeToken: route({
    method: 'DELETE',
    path: '/tokens/{id}',
    summary: 'Revoke a personal token',
    permission: 'self',
    needs: 'access',
    recorded: { act: 'secret', target: ({ params }) => `token:${params.id}` },
    params: z.strictObject({ id }),
  }),
}
