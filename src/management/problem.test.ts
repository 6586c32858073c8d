import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DatabaseBusyError, DatabaseFullError, DatabaseLostError } from '../metadata/database.ts'
import { RegistryError } from '../oci/error.ts'
import { Problem, problemBody, problemOf } from './problem.ts'

test('whatever is thrown has a code, a status and a word on what to do; what nobody expected tells nothing', () => {
  for (const [thrown, status, code, retryAfter] of [
    [new Problem('CONFLICT', 'x'), 409, 'CONFLICT', undefined],
    [new RegistryError('UNAUTHORIZED', 'sign in with "docker login"'), 401, 'UNAUTHENTICATED', undefined],
    [new RegistryError('TOOMANYREQUESTS', 'wait', { retryAfter: 1.2 }), 429, 'TOO_MANY_REQUESTS', '2'],
    [new RegistryError('TOOMANYREQUESTS', 'wait', { retryAfter: 0 }), 429, 'TOO_MANY_REQUESTS', '1'],
    [new RegistryError('UNAVAILABLE', 'the directory is away'), 503, 'UNAVAILABLE', undefined],
    [new RegistryError('DENIED', 'no'), 403, 'DENIED', undefined],
    [new RegistryError('MANIFEST_UNKNOWN', '/srv/secret'), 500, 'SERVER_ERROR', undefined],
    [new DatabaseFullError('/srv/secret'), 507, 'DISK_FULL', undefined],
    [new DatabaseBusyError('/srv/secret'), 503, 'UNAVAILABLE', '1'],
    [new DatabaseLostError('/srv/secret'), 503, 'UNAVAILABLE', undefined],
    [new TypeError('/srv/secret'), 500, 'SERVER_ERROR', undefined],
    ['/srv/secret', 500, 'SERVER_ERROR', undefined],
    [undefined, 500, 'SERVER_ERROR', undefined],
  ] as const) {
    const problem = problemOf(thrown)
    assert.deepEqual(
      [problem.status, problem.code, problem.headers['Retry-After']],
      [status, code, retryAfter],
    )
    const body = JSON.stringify(problemBody(problem, 'r1'))
    assert.doesNotMatch(body, /secret|docker/)
    assert.match(body, /"requestId":"r1"/)
  }
})
