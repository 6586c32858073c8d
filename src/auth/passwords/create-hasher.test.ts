import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { test, type TestContext } from 'node:test'
import { silentLogger } from '../../lib/logger.ts'
import { RegistryError } from '../../oci/error.ts'
import { createPasswordHasher } from './create-hasher.ts'
import { kindOfHash } from './parse-hash.ts'

const CHEAP = '$2y$05$kxh/v/4ho.zUk4iOX1q8..b8wg/A4hiuvuWKdcAHbbiH4RPJ0l/F6'
const SHA_CRYPT = '$6$rounds=20000$abcdefgh$' + 'a'.repeat(86)

function hasherOf(test: TestContext, options: Partial<Parameters<typeof createPasswordHasher>[0]> = {}) {
  const hasher = createPasswordHasher({ log: silentLogger, hasUsers: true, threads: 1, ...options })
  test.after(() => hasher.close())
  return hasher
}

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

async function millisecondsOf(action: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await action()
  return performance.now() - began
}

test('makes hashes and knows them again', async (t) => {
  const hasher = hasherOf(t)
  const hash = await hasher.hash('correct horse')
  assert.deepEqual(kindOfHash(hash), { kind: 'argon2' })
  assert.equal(await hasher.verify('correct horse', hash), true)
  assert.equal(await hasher.verify('Correct horse', hash), false)
  assert.equal(await hasher.verify('secret', CHEAP), true)
})

test('what nobody can have as a password, and what is no hash, is never right', async (t) => {
  const hasher = hasherOf(t)
  // htpasswd -nbB u ''
  const ofNothing = '$2y$05$LM4pM4xDchbVPiKo2YuruOdbBtEQ3ZqePOWqVozNQU5OvpzIRTFqu'
  assert.equal(await hasher.verify('', ofNothing), false)
  assert.equal(await hasher.verify('secret\0', CHEAP), false)
  assert.equal(await hasher.verify('x'.repeat(513), CHEAP), false)
  for (const hash of ['secret', '', '{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=', '$2y$31$' + CHEAP.slice(7)])
    assert.equal(await hasher.verify('secret', hash), false, hash)
  await assert.rejects(hasher.hash(''), /the password is empty/)
  await assert.rejects(hasher.hash('a\0b'), /NUL/)
  await assert.rejects(hasher.hash('x'.repeat(513)), /longer than 512 bytes/)
  await hasher.verifyNobody('')
})

test('only so many wait; the rest hears when to come back', async (t) => {
  const hasher = hasherOf(t, { longestQueue: 3 })
  const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => hasher.verify('secret', CHEAP)))
  // One is at work, three wait.
  assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 4)
  for (const outcome of outcomes.filter((one) => one.status === 'rejected')) {
    assert.ok(outcome.reason instanceof RegistryError)
    assert.equal(outcome.reason.code, 'TOOMANYREQUESTS')
    assert.ok((outcome.reason.retryAfter ?? 0) >= 1)
  }
  assert.equal(await hasher.verify('secret', CHEAP), true)
})

test(
  'threads end when there is nothing to do, and start again',
  { skip: process.platform !== 'linux' },
  async (t) => {
    const hasher = hasherOf(t, { idle: 20 })
    const threads = (): number => readdirSync('/proc/self/task').length
    const before = threads()
    assert.equal(await hasher.verify('secret', CHEAP), true)
    assert.ok(threads() > before)
    for (let turn = 0; turn < 100 && threads() > before; turn++)
      await new Promise((resolve) => setTimeout(resolve, 20))
    assert.equal(threads(), before)
    assert.equal(await hasher.verify('secret', CHEAP), true)
  },
)

test('nobody waits longer than a client does', async (t) => {
  const hasher = hasherOf(t, { longestWait: 0 })
  const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => hasher.verify('secret', CHEAP)))
  // One is at work, one waits for nobody else.
  assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 2)
})

test('after closing nothing is verified, and what waited hears of it', async (t) => {
  const hasher = hasherOf(t)
  const waiting = [0, 1, 2].map(() => hasher.verify('secret', SHA_CRYPT))
  const outcomes = Promise.allSettled(waiting)
  await hasher.close()
  for (const outcome of await outcomes) assert.equal(outcome.status, 'rejected')
  await assert.rejects(hasher.verify('secret', CHEAP), { code: 'UNAVAILABLE' })
})

// security.md, C10
test('a name that nobody has takes as long as one that somebody has', async (t) => {
  const hasher = hasherOf(t, { hasUsers: false })
  assert.ok((await millisecondsOf(() => hasher.verifyNobody('secret', 'nobody'))) < 5, 'there are no hashes')
  const hash = SHA_CRYPT
  hasher.imitate('htpasswd', [hash])
  const [known, unknown]: [number[], number[]] = [[], []]
  await hasher.verify('guess', hash)
  for (let turn = 0; turn < 15; turn++) {
    known.push(await millisecondsOf(() => hasher.verify('guess', hash)))
    unknown.push(await millisecondsOf(() => hasher.verifyNobody('guess', `nobody${turn}`)))
  }
  const ratio = median(unknown) / median(known)
  t.diagnostic(`known ${median(known).toFixed(1)} ms, unknown ${median(unknown).toFixed(1)} ms`)
  assert.ok(ratio > 0.5 && ratio < 2, `${ratio}`)
})

test('where hashes differ in what they cost, a name that nobody has always costs the same', async (t) => {
  const hasher = hasherOf(t, { hasUsers: false })
  hasher.imitate('htpasswd', [CHEAP, SHA_CRYPT])
  await hasher.verify('guess', CHEAP)
  const costs = new Map<string, number[]>()
  for (let n = 0; n < 12; n++) costs.set(`nobody${n}`, [])
  for (const [name, times] of costs) {
    for (let turn = 0; turn < 5; turn++)
      times.push(await millisecondsOf(() => hasher.verifyNobody('guess', name)))
  }
  const medians = [...costs.values()].map(median)
  t.diagnostic(JSON.stringify(medians.map(Math.round)))
  // Some are like the one, some like the other: 1 in 2,000 that all are alike.
  const [cheapest, costliest] = [Math.min(...medians), Math.max(...medians)]
  assert.ok(costliest > 3 * cheapest)
  const between = Math.sqrt(cheapest * costliest)
  for (const [name, times] of costs) {
    const cheap = times.filter((time) => time < between).length
    assert.ok(cheap <= 1 || cheap >= times.length - 1, `${name}: ${times.join()}`)
  }
})

test('the main thread does not wait', async (t) => {
  const hasher = hasherOf(t)
  await hasher.verify('secret', CHEAP)
  const delay = monitorEventLoopDelay({ resolution: 2 })
  delay.enable()
  await Promise.all(Array.from({ length: 20 }, () => hasher.verify('guess', SHA_CRYPT)))
  delay.disable()
  t.diagnostic(`p99 of the loop's delay: ${(delay.percentile(99) / 1e6).toFixed(1)} ms`)
  assert.ok(delay.percentile(90) / 1e6 < 50, `${delay.percentile(90) / 1e6} ms`)
})
