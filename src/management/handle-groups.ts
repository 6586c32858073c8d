/** Groups of the database. */
import { parseMember, whyNoGroupName } from '../auth/names.ts'
import {
  addMember,
  createGroup,
  describeGroup,
  findGroupByName,
  type GroupRow,
  listGroups,
  listMembers,
  type Member,
  removeGroup,
  removeMember,
} from '../metadata/access/groups.ts'
import type { groupRoutes } from './contract-accounts.ts'
import type { HandlersOf } from './exchange.ts'
import type { SignInPart } from './mode.ts'
import { pageOf, timeOf } from './pages.ts'
import { invalidField, notFound, Problem } from './problem.ts'

export function createGroupHandlers({ db }: Pick<SignInPart, 'db'>): HandlersOf<keyof typeof groupRoutes> {
  async function existing(name: string): Promise<GroupRow> {
    const group = await findGroupByName(db, name)
    if (group === undefined) throw notFound(`group ${name}`)
    return group
  }

  return {
    async listGroups({ query }) {
      const { rows, next } = await pageOf({
        asked: query,
        read: (after, limit) => listGroups(db, after, limit),
        keyOf: ({ name }) => name,
      })
      return { items: rows.map(shown), next }
    },
    async createGroup({ body: { name, description }, actor }) {
      const wrong = whyNoGroupName(name)
      if (wrong !== undefined) throw invalidField('/name', `the name ${wrong}`)
      if ((await createGroup(db, { name, description }, actor)) === undefined)
        throw new Problem('CONFLICT', `there is a group ${name} already`)
      return shown(await existing(name))
    },
    getGroup: async ({ params: { name } }) => shown(await existing(name)),
    async changeGroup({ params: { name }, body: { description }, actor }) {
      const { id } = await existing(name)
      if (!(await describeGroup(db, id, description, actor))) throw notFound(`group ${name}`)
      return shown(await existing(name))
    },
    async deleteGroup({ params: { name }, actor }) {
      const { id } = await existing(name)
      if (!(await removeGroup(db, id, actor))) throw notFound(`group ${name}`)
    },
    async listMembers({ params: { name }, query }) {
      const { id } = await existing(name)
      const { rows, next } = await pageOf({
        asked: query,
        read: (after, limit) => listMembers(db, id, after, limit),
        keyOf: (member) => member,
      })
      return { items: rows, next }
    },
    async addMember({ params: { name, member }, actor, detail }) {
      const { id } = await existing(name)
      detail['added'] = member
      // In it already: that is what was asked for. Gone meanwhile: said.
      if (!(await addMember(db, id, memberOf(member), actor))) await existing(name)
    },
    async removeMember({ params: { name, member }, actor, detail }) {
      const { id } = await existing(name)
      detail['removed'] = member
      if (!(await removeMember(db, id, memberOf(member), actor))) throw notFound(`member ${member}`)
    },
  }
}

function memberOf(text: string): Member {
  const member = parseMember(text)
  if (member === undefined) throw invalidField('{member}', 'this is neither user:NAME nor robot:NAME')
  return member
}

function shown({ name, description, createdAt, createdBy }: GroupRow) {
  return { name, description, createdAt: timeOf(createdAt), createdBy }
}
