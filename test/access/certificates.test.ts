/** Client certificates as identities, over TLS as it is. */
import { basicHeader } from '../lib/basic-header.ts'
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { test, type TestContext } from 'node:test'
import { createCertificates, type Authority, withoutOpenssl } from '../../src/serving/certificates.fixture.ts'
import { startServer } from '../lib/start-server.ts'
import { afterwards, temporaryFolder } from '../lib/temporary.ts'

const skip = (await withoutOpenssl()) ?? false

type Send = (ask: string, certificate?: Authority, authorization?: string) => Promise<number>

async function start(t: TestContext, config: Record<string, unknown>) {
  const files = await createCertificates()
  afterwards(t, () => files.remove())
  const [server, clients, others] = [
    await files.authority('servers'),
    await files.authority('clients'),
    await files.authority('others'),
  ]
  const own = await files.issue('server', server, { subject: 'localhost' })
  const root = temporaryFolder(t, 'certificates')
  const started = await startServer({
    root,
    config: {
      version: 0.1,
      storage: { filesystem: { rootdirectory: root }, delete: { enabled: true } },
      http: {
        addr: '127.0.0.1:0',
        tls: {
          ...own,
          clientcas: [clients.certificate],
          clientauth: 'verify-client-cert-if-given',
        },
      },
      ...config,
    },
  })
  afterwards(t, () => started.stop())
  const agents = new Map<Authority | undefined, Agent>()
  afterwards(t, () => agents.forEach((agent) => agent.destroy()))
  const send: Send = (ask, certificate, authorization) => {
    const agent =
      agents.get(certificate) ?? new Agent({ keepAlive: true, maxSockets: 1, ...shown(certificate) })
    agents.set(certificate, agent)
    const [method, path] = ask.split(' ')
    return new Promise((resolve, reject) => {
      const headers = { ...(authorization !== undefined && { authorization }), 'content-length': '0' }
      const asked = request(`https://${started.host}${path}`, {
        method,
        agent,
        headers,
        rejectUnauthorized: false,
      })
      asked.once('error', reject)
      asked.once('response', (response) => {
        response.resume()
        response.once('end', () => resolve(response.statusCode ?? 0))
      })
      asked.end()
    })
  }
  const issue = (name: string, by: 'clients' | 'others', options = {}): Promise<Authority> =>
    files.issue(name, by === 'clients' ? clients : others, options)
  return { send, issue }
}

function shown(certificate: Authority | undefined): { cert?: Buffer; key?: Buffer } {
  if (certificate === undefined) return {}
  return { cert: readFileSync(certificate.certificate), key: readFileSync(certificate.key) }
}

const UPLOAD = 'POST /v2/team/app/blobs/uploads/'

test('without rules: whoever the authority vouches for may do everything', { skip }, async (t) => {
  const { send, issue } = await start(t, { auth: { certificates: { groups: 'ou' } } })
  const alice = await issue('alice', 'clients', { subject: 'alice/OU=devs' })
  const many = await issue('many', 'clients', { subject: 'many/CN=root' })
  const expired = await issue('expired', 'clients', { days: -1 })
  const foreign = await issue('foreign', 'others', { subject: 'alice' })

  assert.equal(await send('GET /v2/', alice), 200)
  assert.equal(await send(UPLOAD, alice), 202)
  assert.equal(await send('GET /v2/_catalog', alice), 200)
  assert.equal(await send('GET /v2/'), 401)
  assert.equal(await send(UPLOAD), 401)
  assert.equal(await send('GET /v2/', many), 401, 'two names are none')
  // The connection itself is refused, whatever is asked for.
  for (const certificate of [expired, foreign]) assert.equal(await send('GET /v2/', certificate), 403)
  assert.equal(
    await send('GET /v2/', alice, basicHeader('alice:wrong')),
    401,
    'what is said in the request decides',
  )
  assert.equal(await send('GET /v2/', alice), 200)
})

test('with rules: by name, by group, and as the owner of a name', { skip }, async (t) => {
  const { send, issue } = await start(t, {
    auth: { certificates: { groups: 'ou' } },
    access: {
      'signed-in': [],
      administrators: ['user:root'],
      rules: [
        { repositories: ['team/**'], allow: { 'group:devs': ['pull', 'push'] } },
        { repositories: ['{user}/**'], allow: { 'signed-in': ['pull', 'push', 'delete'] } },
      ],
    },
  })
  const alice = await issue('alice', 'clients', { subject: 'alice/OU=devs' })
  const bob = await issue('bob', 'clients', { subject: 'bob/OU=ops' })
  const root = await issue('root', 'clients', { subject: 'root' })
  const uploads = async (certificate: Authority | undefined): Promise<number[]> => {
    const statuses: number[] = []
    for (const name of ['team/app', 'alice/app', 'else/app'])
      statuses.push(await send(`POST /v2/${name}/blobs/uploads/`, certificate))
    return statuses
  }
  assert.deepEqual(await uploads(alice), [202, 202, 403])
  assert.deepEqual(await uploads(bob), [403, 403, 403])
  assert.deepEqual(await uploads(root), [202, 202, 202])
  assert.deepEqual(await uploads(undefined), [401, 401, 401])
})
