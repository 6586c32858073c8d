/** Who asks, their sessions, and what the registry says of itself. */
import * as z from 'zod'
import {
  action,
  id,
  listOf,
  name,
  named,
  newPassword,
  pageQuery,
  repository,
  time,
} from './contract-parts.ts'
import { route } from './contract-route.ts'

const me = z
  .object({
    id: z.string(),
    name: z.string(),
    kind: z.enum(['open', 'anonymous', 'user', 'robot', 'workload']),
    groups: z.array(z.string()),
    isAdministrator: z.boolean(),
    /** Of the repository that was asked for. */
    can: z.array(action).nullable().describe('What one may in the `repository` that was asked for'),
  })
  .register(named, { id: 'Me' })

const session = z
  .object({
    id: z.number().int(),
    isCurrent: z.boolean(),
    createdAt: time,
    expiresAt: time,
    lastUsedAt: time.nullable(),
    lastUsedFrom: z.string().nullable(),
    client: z.string(),
  })
  .register(named, { id: 'Session', description: 'A browser that is signed in' })

export const meRoutes = {
  getMe: route({
    method: 'GET',
    path: '/me',
    summary: 'Who you are, and what you may in a repository',
    permission: 'anyone',
    needs: 'nothing',
    query: z.strictObject({ repository: repository.optional() }),
    answer: me,
  }),
  setPassword: route({
    method: 'PUT',
    path: '/me/password',
    summary: 'Change your own password',
    doc: 'Ends all your sessions; in one, you get another cookie. Personal tokens stay.',
    permission: 'person',
    needs: 'access',
    recorded: { act: 'user', target: () => 'password' },
    body: z.strictObject({ current: z.string().max(1024), new: newPassword }),
  }),
}

export const sessionRoutes = {
  signIn: route({
    method: 'POST',
    path: '/sessions',
    summary: 'Sign in: sets a cookie',
    permission: 'anyone',
    needs: 'accounts',
    recorded: { act: 'sign-in', target: ({ body }) => `user:${body.name}`, refusals: 'elsewhere' },
    body: z.strictObject({ name, password: z.string().min(1).max(1024) }),
    answer: me.extend({ session }),
    status: 201,
    secret: true,
  }),
  listSessions: route({
    method: 'GET',
    path: '/sessions',
    summary: 'Your sessions',
    permission: 'person',
    needs: 'accounts',
    query: pageQuery.omit({ q: true }),
    answer: listOf(session),
  }),
  signOut: route({
    method: 'DELETE',
    path: '/sessions/current',
    summary: 'Sign out: ends the session of this cookie',
    permission: 'anyone',
    needs: 'accounts',
    recorded: { act: 'sign-in', target: () => 'session' },
  }),
  endSession: route({
    method: 'DELETE',
    path: '/sessions/{id}',
    summary: 'End one of your sessions',
    permission: 'person',
    needs: 'accounts',
    recorded: { act: 'sign-in', target: ({ params }) => `session:${params.id}` },
    params: z.strictObject({ id }),
  }),
}

export const systemRoutes = {
  getSystem: route({
    method: 'GET',
    path: '/system',
    summary: 'How this registry is run',
    permission: 'anyone',
    needs: 'nothing',
    answer: z.object({
      mode: z
        .enum(['open', 'issuer', 'accounts', 'access'])
        .describe(
          '`open`: anyone may do everything. `issuer`: an external token server decides. `accounts`: who signs in may do ' +
            'everything. `access`: rules decide',
        ),
      version: z.string().nullable().describe('Null for those who did not sign in'),
    }),
  }),
  getOpenapi: route({
    method: 'GET',
    path: '/openapi.json',
    summary: 'This API as an OpenAPI 3.1 document',
    permission: 'anyone',
    needs: 'nothing',
    answer: z.record(z.string(), z.unknown()),
  }),
}
