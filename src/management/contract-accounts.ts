/** Users and groups. */
import * as z from 'zod'
import {
  byName,
  description,
  listOf,
  name,
  named,
  newPassword,
  pageQuery,
  time,
  timeOrNull,
} from './contract-parts.ts'
import { route } from './contract-route.ts'

const user = z
  .object({
    name,
    isAdministrator: z.boolean(),
    hasPassword: z.boolean(),
    disabledAt: timeOrNull,
    createdAt: time,
    createdBy: z.string(),
    lastUsedAt: timeOrNull,
    groups: z.array(z.string()),
  })
  .register(named, { id: 'User', description: 'A person with an account of Berth itself' })

const group = z
  .object({
    name,
    description,
    createdAt: time,
    createdBy: z.string(),
  })
  .register(named, { id: 'Group' })

const membership = z.strictObject({
  name,
  member: z
    .string()
    .max(300)
    .regex(/^(?:user|robot):./, 'a member is user:NAME or robot:NAME'),
})

type Named = { readonly params: { readonly name: string } }
const userTarget = ({ params }: Named): string => `user:${params.name}`
const groupTarget = ({ params }: Named): string => `group:${params.name}`

export const userRoutes = {
  listUsers: route({
    method: 'GET',
    path: '/users',
    summary: 'Users, by name',
    permission: 'administrator',
    needs: 'access',
    query: pageQuery,
    answer: listOf(user),
  }),
  createUser: route({
    method: 'POST',
    path: '/users',
    summary: 'Make a user',
    permission: 'administrator',
    needs: 'access',
    recorded: { act: 'user', target: ({ body }) => `user:${body.name}` },
    body: z.strictObject({
      name,
      password: newPassword.optional(),
      isAdministrator: z.boolean().default(false),
    }),
    answer: user,
    status: 201,
  }),
  getUser: route({
    method: 'GET',
    path: '/users/{name}',
    summary: 'One user',
    permission: 'administrator',
    needs: 'access',
    params: byName,
    answer: user,
  }),
  changeUser: route({
    method: 'PATCH',
    path: '/users/{name}',
    summary: 'Set a password, disable, make an administrator',
    doc: 'What is left out stays. A new password ends all sessions of the user at once; disabling ends all tokens too.',
    permission: 'administrator',
    needs: 'access',
    recorded: { act: 'user', target: userTarget },
    params: byName,
    body: z.strictObject({
      password: newPassword.optional(),
      isAdministrator: z.boolean().optional(),
      disabled: z.boolean().optional(),
    }),
    answer: user,
  }),
  deleteUser: route({
    method: 'DELETE',
    path: '/users/{name}',
    summary: 'Remove a user, with all tokens and sessions',
    permission: 'administrator',
    needs: 'access',
    recorded: { act: 'user', target: userTarget },
    params: byName,
  }),
}

export const groupRoutes = {
  listGroups: route({
    method: 'GET',
    path: '/groups',
    summary: 'Groups, by name',
    permission: 'administrator',
    needs: 'access',
    query: pageQuery,
    answer: listOf(group),
  }),
  createGroup: route({
    method: 'POST',
    path: '/groups',
    summary: 'Make a group',
    permission: 'administrator',
    needs: 'access',
    recorded: { act: 'group', target: ({ body }) => `group:${body.name}` },
    body: z.strictObject({ name, description: description.default('') }),
    answer: group,
    status: 201,
  }),
  getGroup: route({
    method: 'GET',
    path: '/groups/{name}',
    summary: 'One group',
    permission: 'administrator',
    needs: 'access',
    params: byName,
    answer: group,
  }),
  changeGroup: route({
    method: 'PATCH',
    path: '/groups/{name}',
    summary: 'Describe a group',
    permission: 'administrator',
    needs: 'access',
    recorded: { act: 'group', target: groupTarget },
    params: byName,
    body: z.strictObject({ description }),
    answer: group,
  }),
  deleteGroup: route({
    method: 'DELETE',
    path: '/groups/{name}',
    summary: 'Remove a group',
    permission: 'administrator',
    needs: 'access',
    recorded: { act: 'group', target: groupTarget },
    params: byName,
  }),
  listMembers: route({
    method: 'GET',
    path: '/groups/{name}/-/members',
    summary: 'Members of a group',
    permission: 'administrator',
    needs: 'access',
    params: byName,
    query: pageQuery,
    answer: listOf(z.string().describe('`user:NAME` or `robot:NAME`')),
  }),
  addMember: route({
    method: 'PUT',
    path: '/groups/{name}/-/members/{member}',
    summary: 'Add a member',
    doc: 'The member is `user:NAME` or `robot:NAME`, wherever that name is known: in the database, a file, a directory.',
    permission: 'administrator',
    needs: 'access',
    recorded: { act: 'group', target: groupTarget },
    params: membership,
  }),
  removeMember: route({
    method: 'DELETE',
    path: '/groups/{name}/-/members/{member}',
    summary: 'Remove a member',
    permission: 'administrator',
    needs: 'access',
    recorded: { act: 'group', target: groupTarget },
    params: membership,
  }),
}
