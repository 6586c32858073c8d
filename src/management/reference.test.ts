import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { contract } from './contract.ts'
import type { AnyRoute } from './contract-route.ts'
import { apiPage } from './reference.ts'
import { ABSOLUTE_MS, IDLE_MS } from './sessions.ts'

const page = apiPage()

test('the page in docs is the one made from the contract', () => {
  const written = readFileSync(new URL('../../docs/api.md', import.meta.url), 'utf8')
  assert.equal(written, page, 'run npm run docs')
})

test('every route stands in it, and the times it tells are those that hold', () => {
  for (const { method, path } of Object.values<AnyRoute>(contract))
    assert.ok(page.includes(`| \`${method} ${path}\` `), path)
  assert.match(
    page,
    RegExp(`${IDLE_MS / 3_600_000} hours without a request,\n *after ${ABSOLUTE_MS / 86_400_000} days`),
  )
})
