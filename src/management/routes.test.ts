/** Each route of the contract × who asks → status. A route that is not in the table fails until somebody judges it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { contract, type RouteName } from './contract.ts'
import { type Ask, made, type Managed, populate, startManaged } from './management.fixture.ts'

const WHO = ['anonymous', 'carol', 'alice', 'admin'] as const
type Who = (typeof WHO)[number]

type Judged = {
  /** Whom it is about differs from asker to asker, since some of it is gone afterwards. */
  line: (who: Who, made: string) => string
  ask?: Ask | ((who: Who) => Ask)
  /** Made by the administrator before; what it gives is handed to `line`. */
  given?: (registry: Managed, who: Who) => Promise<string>
  /** anonymous, a user, who has team-a in hand, an administrator */
  is: readonly [number, number, number, number]
}

const admin: Ask = { as: 'admin' }
const SCOPES = [{ repositories: 'team-a/**', actions: ['pull'] }]

async function user(registry: Managed, who: Who): Promise<string> {
  const name = `u-${who}-${(count += 1)}`
  await made(registry, 'POST /users', { ...admin, json: { name } })
  return name
}
async function group(registry: Managed, who: Who): Promise<string> {
  const name = `g-${who}-${(count += 1)}`
  await made(registry, 'POST /groups', { ...admin, json: { name } })
  await made(registry, `PUT /groups/${name}/-/members/user:x`, admin, 204)
  return name
}
async function robot(registry: Managed, who: Who): Promise<string> {
  const name = `r-${who}-${(count += 1)}`
  await made(registry, 'POST /robots', { ...admin, json: { name, scopes: SCOPES } })
  return name
}
async function robotSecret(registry: Managed, who: Who): Promise<string> {
  const name = await robot(registry, who)
  const { items } = await made(registry, `GET /robots/${name}/-/secrets`, admin, 200)
  return `${name}/-/secrets/${items[0].id}`
}
async function rule(registry: Managed, who: Who): Promise<string> {
  const pattern = `team-a/r-${who}-${(count += 1)}`
  const allow = { 'user:alice': ['admin'] }
  await made(
    registry,
    `PUT /rules/${pattern}`,
    { ...admin, json: { allow }, headers: { 'if-none-match': '*' } },
    200,
  )
  return pattern
}
/** A token of the administrator's own. */
async function token(registry: Managed): Promise<string> {
  return String((await made(registry, 'POST /tokens', { ...admin, json: {} })).id)
}
async function session(registry: Managed): Promise<string> {
  const json = { name: 'admin', password: 'admin-password' }
  return String((await made(registry, 'POST /sessions', { json })).session.id)
}
let count = 0

const ROUTES: Record<RouteName, Judged> = {
  getSystem: { line: () => 'GET /system', is: [200, 200, 200, 200] },
  getOpenapi: { line: () => 'GET /openapi.json', is: [200, 200, 200, 200] },
  getMe: { line: () => 'GET /me?repository=team-a/x', is: [200, 200, 200, 200] },
  setPassword: {
    line: () => 'PUT /me/password',
    ask: (who) => ({ json: { current: `${who}-password`, new: `${who}-password` } }),
    is: [401, 204, 204, 204],
  },
  signIn: {
    line: () => 'POST /sessions',
    ask: { json: { name: 'carol', password: 'carol-password' } },
    is: [201, 201, 201, 201],
  },
  listSessions: { line: () => 'GET /sessions', is: [401, 200, 200, 200] },
  signOut: { line: () => 'DELETE /sessions/current', is: [204, 204, 204, 204] },
  endSession: { given: session, line: (_, id) => `DELETE /sessions/${id}`, is: [401, 404, 404, 204] },
  listUsers: { line: () => 'GET /users', is: [401, 403, 403, 200] },
  createUser: {
    line: () => 'POST /users',
    ask: (who) => ({ json: { name: `new-${who}`, password: 'long enough' } }),
    is: [401, 403, 403, 201],
  },
  getUser: { given: user, line: (_, name) => `GET /users/${name}`, is: [401, 403, 403, 200] },
  changeUser: {
    given: user,
    line: (_, name) => `PATCH /users/${name}`,
    ask: { json: { isAdministrator: true } },
    is: [401, 403, 403, 200],
  },
  deleteUser: { given: user, line: (_, name) => `DELETE /users/${name}`, is: [401, 403, 403, 204] },
  listGroups: { line: () => 'GET /groups', is: [401, 403, 403, 200] },
  createGroup: {
    line: () => 'POST /groups',
    ask: (who) => ({ json: { name: `new-${who}` } }),
    is: [401, 403, 403, 201],
  },
  getGroup: { given: group, line: (_, name) => `GET /groups/${name}`, is: [401, 403, 403, 200] },
  changeGroup: {
    given: group,
    line: (_, name) => `PATCH /groups/${name}`,
    ask: { json: { description: 'x' } },
    is: [401, 403, 403, 200],
  },
  deleteGroup: { given: group, line: (_, name) => `DELETE /groups/${name}`, is: [401, 403, 403, 204] },
  listMembers: { given: group, line: (_, name) => `GET /groups/${name}/-/members`, is: [401, 403, 403, 200] },
  addMember: {
    given: group,
    line: (_, name) => `PUT /groups/${name}/-/members/user:carol`,
    is: [401, 403, 403, 204],
  },
  removeMember: {
    given: group,
    line: (_, name) => `DELETE /groups/${name}/-/members/user:x`,
    is: [401, 403, 403, 204],
  },
  listRobots: { line: () => 'GET /robots', is: [401, 200, 200, 200] },
  createRobot: {
    line: () => 'POST /robots',
    ask: (who) => ({ json: { name: `new-r-${who}`, scopes: SCOPES } }),
    is: [401, 403, 201, 201],
  },
  getRobot: { given: robot, line: (_, name) => `GET /robots/${name}`, is: [401, 404, 200, 200] },
  changeRobot: {
    given: robot,
    line: (_, name) => `PATCH /robots/${name}`,
    ask: { json: { disabled: true } },
    is: [401, 404, 200, 200],
  },
  deleteRobot: { given: robot, line: (_, name) => `DELETE /robots/${name}`, is: [401, 404, 204, 204] },
  listRobotSecrets: {
    given: robot,
    line: (_, name) => `GET /robots/${name}/-/secrets`,
    is: [401, 404, 200, 200],
  },
  addRobotSecret: {
    given: robot,
    line: (_, name) => `POST /robots/${name}/-/secrets`,
    ask: { json: {} },
    is: [401, 404, 201, 201],
  },
  revokeRobotSecret: {
    given: robotSecret,
    line: (_, path) => `DELETE /robots/${path}`,
    is: [401, 404, 204, 204],
  },
  listTokens: { line: () => 'GET /tokens', is: [401, 200, 200, 200] },
  createToken: { line: () => 'POST /tokens', ask: { json: { name: 'x' } }, is: [401, 201, 201, 201] },
  revokeToken: { given: token, line: (_, id) => `DELETE /tokens/${id}`, is: [401, 404, 404, 204] },
  listRules: { line: () => 'GET /rules', is: [401, 200, 200, 200] },
  getRule: { given: rule, line: (_, pattern) => `GET /rules/${pattern}`, is: [401, 404, 200, 200] },
  putRule: {
    line: (who) => `PUT /rules/team-a/new-${who}`,
    ask: { json: { allow: { 'user:alice': ['admin'] } }, headers: { 'if-none-match': '*' } },
    is: [401, 403, 200, 200],
  },
  // With an ETag that is none: who may is told so.
  deleteRule: {
    given: rule,
    line: (_, pattern) => `DELETE /rules/${pattern}`,
    ask: { headers: { 'if-match': '"x"' } },
    is: [401, 404, 412, 412],
  },
  explainAccess: {
    line: () => 'GET /access/explain?who=user:bob&action=pull&repository=team-a/x',
    is: [401, 403, 200, 200],
  },
  listAudit: { line: () => 'GET /audit', is: [401, 403, 403, 200] },
}

test('who may use which route', async (t) => {
  const registry = await startManaged(t)
  await populate(registry)
  for (const name of Object.keys(contract) as RouteName[]) {
    const judged: Judged | undefined = ROUTES[name]
    assert.ok(judged, `${name} is a new route: say here who may use it`)
    for (const [index, who] of WHO.entries()) {
      const given = (await judged.given?.(registry, who)) ?? ''
      const ask = typeof judged.ask === 'function' ? judged.ask(who) : (judged.ask ?? {})
      const line = judged.line(who, given)
      const reply = await registry.ask(line, { ...ask, ...(who !== 'anonymous' && { as: who }) })
      assert.equal(reply.status, judged.is[index], `${name} by ${who}: ${line}: ${reply.text}`)
      if (reply.status === 401) assert.doesNotMatch(String(reply.headers['www-authenticate']), /basic/i)
      assert.equal(reply.headers['x-content-type-options'], 'nosniff')
      if (contract[name].method !== 'GET')
        assert.match(String(reply.headers['cache-control']), /no-store|no-cache/)
    }
  }
})

test('where nobody signs in, and where others decide, the API says what to configure', async (t) => {
  const always: readonly RouteName[] = ['getSystem', 'getOpenapi', 'getMe']
  const open = await startManaged(t, {})
  for (const name of Object.keys(contract) as RouteName[]) {
    const { line, ask } = ROUTES[name]
    const how = typeof ask === 'function' ? ask('carol') : (ask ?? {})
    const reply = await open.ask(line('carol', '1'), { ...how, as: 'admin' })
    if (always.includes(name)) assert.equal(reply.status, 200, name)
    else {
      assert.equal(reply.status, 403, `${name}: ${reply.text}`)
      assert.equal(reply.body.code, 'NOT_CONFIGURED')
      assert.match(reply.body.detail, /configure access/)
    }
  }
  assert.deepEqual((await open.ask('GET /me?repository=a/b')).body.can, ['pull', 'push', 'create', 'delete'])
  assert.deepEqual((await open.ask('GET /system')).body, { mode: 'open', version: '1.2.3' })
  // A page of another site whose name was pointed here.
  const rebound = await open.ask('POST /users', { json: { name: 'x' }, headers: { host: 'evil.test' } })
  assert.equal(rebound.body.code, 'WRONG_HOST')
  assert.equal(rebound.status, 421)
})
