/** Which name and groups a certificate gives, and when it counts. */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { createCertificates as createFiles, withoutOpenssl } from '../serving/certificates.fixture.ts'
import { type CertificateSettings, createCertificates } from './certificates.ts'

const skip = (await withoutOpenssl()) ?? false

type Case = {
  subject: string
  names?: string
  by: CertificateSettings['name']
  groups?: CertificateSettings['groups']
  /** Undefined: nobody. */
  found: [name: string, ...groups: string[]] | undefined
}

const CASES: readonly Case[] = [
  { subject: 'alice', by: 'cn', found: ['alice'] },
  { subject: 'Alice Smith', by: 'cn', found: ['Alice Smith'] },
  { subject: 'alice/CN=root', by: 'cn', found: undefined },
  { subject: ' alice', by: 'cn', found: undefined },
  { subject: 'alice/OU=devs/O=Example', by: 'cn', groups: 'none', found: ['alice'] },
  { subject: 'alice/OU=devs/OU=ops/O=Example', by: 'cn', groups: 'ou', found: ['alice', 'devs', 'ops'] },
  { subject: 'alice/OU=devs/O=Example', by: 'cn', groups: 'o', found: ['alice', 'Example'] },
  { subject: 'alice', by: 'cn', groups: 'ou', found: ['alice'] },
  {
    subject: 'alice',
    names: 'email:alice@example.com,email:root@example.com',
    by: 'email',
    found: ['alice@example.com'],
  },
  { subject: 'alice', names: 'DNS:ci.example.com,email:a@example.com', by: 'dns', found: ['ci.example.com'] },
  {
    subject: 'alice',
    names: 'DNS:a.example.com,URI:spiffe://example.com/ns/ci/sa/app',
    by: 'uri',
    found: ['spiffe://example.com/ns/ci/sa/app'],
  },
  { subject: 'alice', names: 'DNS:a.example.com', by: 'email', found: undefined },
  { subject: 'alice', names: 'DNS:a.example.com', by: 'uri', found: undefined },
]

const requestWith = (socket: object): IncomingMessage => ({ socket }) as unknown as IncomingMessage

test('names and groups', { skip }, async (t) => {
  const files = await createFiles()
  t.after(() => files.remove())
  const authority = await files.authority('authority')
  for (const [index, { subject, names, by, groups = 'none', found }] of CASES.entries()) {
    const { certificate } = await files.issue(`c${index}`, authority, {
      subject,
      ...(names !== undefined && { names }),
    })
    const x509 = new X509Certificate(readFileSync(certificate))
    const { accountOf } = createCertificates({
      settings: { name: by, groups },
      clock: { now: () => Date.now() },
    })
    const account = accountOf(requestWith({ authorized: true, getPeerX509Certificate: () => x509 }))
    const principal = account && [account.principal.name, ...account.principal.groups]
    assert.deepEqual(principal, found, `${subject} ${names}`)
    if (account === undefined || found === undefined) continue
    assert.equal(account.principal.id, `certificate:${found[0]}`)
    assert.equal(account.principal.kind, 'user')
    assert.equal(account.expiresAt, Date.parse(x509.validTo))
  }
})

test('only a verified one, read once a connection, until its last day', { skip }, async (t) => {
  const files = await createFiles()
  t.after(() => files.remove())
  const { certificate } = await files.issue('alice', await files.authority('authority'))
  const x509 = new X509Certificate(readFileSync(certificate))
  const clock = { time: Date.now(), now: () => clock.time }
  const { accountOf } = createCertificates({ settings: { name: 'cn', groups: 'none' }, clock })
  let reads = 0
  const getPeerX509Certificate = (): X509Certificate => {
    reads += 1
    return x509
  }
  for (const socket of [{}, { authorized: false, getPeerX509Certificate }, { getPeerX509Certificate }])
    assert.equal(accountOf(requestWith(socket)), undefined)
  assert.equal(
    accountOf(requestWith({ authorized: true, getPeerX509Certificate: () => undefined })),
    undefined,
  )
  assert.equal(reads, 0)
  const socket = { authorized: true, getPeerX509Certificate }
  const first = accountOf(requestWith(socket))
  assert.equal(first?.principal.name, 'alice')
  assert.equal(accountOf(requestWith(socket)), first)
  assert.equal(reads, 1)
  clock.time = Date.parse(x509.validTo)
  assert.equal(accountOf(requestWith(socket)), undefined)
})
