import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import type { AuditEntry } from './auth/audit.ts'
import { anonymousPrincipal, openPrincipal, type Principal } from './auth/principal.ts'
import type { DistributionEvent } from './distribution/exchange.ts'
import { parseRequest } from './distribution/request.ts'
import { RegistryError } from './oci/error.ts'
import { createRefusalRecorder } from './server-audit.ts'

const NOW = 1_800_000_000_000
const alice: Principal = { ...anonymousPrincipal, id: 'user:1', name: 'alice', kind: 'user' }
const DIGEST = `sha256:${'a'.repeat(64)}`

const tokenUntil = (exp: unknown): string =>
  `Bearer e30.${Buffer.from(JSON.stringify({ exp })).toString('base64url')}.c2ln`

/** @returns act, name and target of what is recorded; undefined: nothing is */
function refusalOf(
  line: string,
  principal: Principal | undefined,
  error: RegistryError | undefined,
  authorization?: string,
): string | undefined {
  const entries: AuditEntry[] = []
  const told = createRefusalRecorder(
    { record: (entry) => void entries.push(entry) },
    { addressOf: () => '192.0.2.1', clock: { now: () => NOW } },
  )
  const [method = '', url = ''] = line.split(' ')
  const headers = { 'user-agent': 'x'.repeat(1000), ...(authorization !== undefined && { authorization }) }
  const route = parseRequest(method, url, '', 'localhost', undefined)
  const event: DistributionEvent = {
    request: { method, headers } as unknown as IncomingMessage,
    requestId: 'r1',
    route,
    principal,
    status: error?.status ?? 200,
    ...(error !== undefined && { error }),
  }
  told(event)
  const [entry] = entries
  if (entry === undefined) return undefined
  assert.deepEqual([entry.outcome, entry.address, entry.client.length], ['refused', '192.0.2.1', 256])
  return `${entry.act} ${entry.principal.name} ${entry.target}`
}

test('what is a refusal, and what only tells clients how to go on', () => {
  const denied = new RegistryError('DENIED')
  const full = new RegistryError('DENIED', 'no space left on device', { cause: new Error('ENOSPC') })
  const unauthorized = new RegistryError('UNAUTHORIZED')
  const table: [...Parameters<typeof refusalOf>, expected: string | undefined][] = [
    ['GET /v2/a/manifests/v1', alice, denied, undefined, 'pull alice a:v1'],
    [`HEAD /v2/a/blobs/${DIGEST}`, alice, denied, undefined, `pull alice a@${DIGEST}`],
    ['PUT /v2/a/manifests/v1', alice, denied, undefined, 'push alice a:v1'],
    ['POST /v2/a/blobs/uploads/', alice, denied, undefined, 'push alice a'],
    [`DELETE /v2/a/manifests/${DIGEST}`, alice, denied, undefined, `delete alice a@${DIGEST}`],
    ['GET /v2/_catalog', alice, denied, undefined, 'pull alice registry'],
    // The first 401 of every client, one that needs another token, a full disk, nothing wrong.
    ['GET /v2/', anonymousPrincipal, unauthorized, undefined, undefined],
    ['GET /v2/a/manifests/v1', alice, unauthorized, tokenUntil(NOW / 1000 + 60), undefined],
    ['PUT /v2/a/manifests/v1', openPrincipal, full, undefined, undefined],
    ['GET /v2/', alice, undefined, undefined, undefined],
    ['GET /v2/a/manifests/v1', alice, new RegistryError('MANIFEST_UNKNOWN'), undefined, undefined],
    // Passwords are recorded where they are looked at.
    ['GET /v2/', undefined, unauthorized, 'Basic YTpi', undefined],
    // Tokens that are no good; one that has expired is renewed in the ordinary course of things.
    ['GET /v2/', undefined, unauthorized, 'Bearer nonsense', 'token  registry'],
    ['GET /v2/', undefined, unauthorized, tokenUntil(NOW / 1000 + 60), 'token  registry'],
    ['GET /v2/', undefined, unauthorized, tokenUntil('soon'), 'token  registry'],
    ['GET /v2/', undefined, unauthorized, tokenUntil(NOW / 1000 - 1), undefined],
    ['GET /v2/', undefined, unauthorized, 'Bearer e30.bnVsbA.x', 'token  registry'],
  ]
  for (const [line, principal, error, authorization, expected] of table)
    assert.equal(refusalOf(line, principal, error, authorization), expected, `${line} ${authorization ?? ''}`)
})
