/** What does not compile. Nothing here runs: each line under a directive that were no error would fail the type check. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as z from 'zod'
import { contract } from './contract.ts'
import { type AnyRoute, route } from './contract-route.ts'
import type { Handler, HandlersFor } from './exchange.ts'

const body = z.strictObject({ name: z.string() })
const answer = z.object({ name: z.string() })
const usual = { path: '/x', summary: 'x', needs: 'nothing' } as const
const recorded = { act: 'user', target: () => 'x' } as const

export function doesNotCompile(): void {
  // @ts-expect-error a route without a permission
  route({ ...usual, method: 'GET', answer })
  // @ts-expect-error a permission that there is none of
  route({ ...usual, method: 'GET', permission: 'root', answer })
  // @ts-expect-error a change that is not recorded
  route({ ...usual, method: 'POST', permission: 'anyone', body, answer })
  const otherwise = 'denied'
  route({
    ...usual,
    method: 'POST',
    recorded,
    body,
    // @ts-expect-error patterns of a field that the body does not have
    permission: { administers: ({ body: given }) => [given.pattern], otherwise },
  })

  const good = route({ ...usual, method: 'POST', permission: 'self', recorded, body, answer })
  const fits: Handler<typeof good> = ({ body: { name }, caller }) => ({ name: name + caller.account.stamp })
  // @ts-expect-error an answer that does not fit
  const wrongAnswer: Handler<typeof good> = () => ({ nam: 'x' })
  // @ts-expect-error an input that is not in the schema
  const wrongInput: Handler<typeof good> = (x) => ({ name: x.body.pattern })
  const open = route({ ...usual, method: 'GET', permission: 'anyone', answer })
  // @ts-expect-error who may ask without signing in has no account
  const noAccount: Handler<typeof open> = (x) => ({ name: x.caller.account.stamp })
  // @ts-expect-error routes without a handler
  const lacking: HandlersFor<'access'> = {}
  void [fits, wrongAnswer, wrongInput, noAccount, lacking]
}

test('every route says who may, every change is recorded, and names of routes and paths are one each', () => {
  const seen = new Set<string>()
  for (const [name, { method, path, permission, recorded: told }] of Object.entries<AnyRoute>(contract)) {
    assert.ok(permission, name)
    assert.equal(told !== undefined, method !== 'GET', `${name}: what changes something is recorded`)
    const line = `${method} ${path}`
    assert.ok(!seen.has(line), line)
    seen.add(line)
  }
  assert.ok(seen.size >= 30, `${seen.size} routes`)
})
