/** What a directory, or somebody on the way to it, can do wrong: nobody is let in on a guess, nothing hangs, nothing stays. */
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import fc from 'fast-check'
import { recordingLog } from '../../../test/lib/recording-log.ts'
import { RegistryError } from '../../oci/error.ts'
import { encodeElement, NotLdap } from './ber.ts'
import { checkAnswer, TAGS, type Message } from './check-answer.ts'
import { entry, message, octets, result, startFake } from './fake-directory.fixture.ts'
import { attempt, movableClock, OPTIONS, shown } from './source.fixture.ts'
import { createLdapSource, type LdapOptions } from './source.ts'

const ALICE = 'uid=alice,ou=people,dc=example,dc=org'

/** What a good one says: alice is there, whatever her password, in no group. */
function good({ id, operation }: Message): Buffer | undefined {
  if (operation === TAGS.bindRequest) return result(id, TAGS.bindResponse)
  if (operation !== TAGS.searchRequest) return undefined
  return Buffer.concat([entry(id, ALICE, { uid: ['alice'] }), result(id, TAGS.searchDone)])
}

type Fake = Parameters<typeof startFake>

async function setUp(
  t: TestContext,
  answer: Fake[1],
  onConnect?: Fake[2],
  options: Partial<LdapOptions> = {},
) {
  const fake = await startFake(t, answer, onConnect)
  const [log, clock] = [recordingLog(), movableClock()]
  const all = { ...OPTIONS, url: fake.url, groupbase: '', timeout: 400, ...options }
  return { fake, log, clock, source: await createLdapSource({ options: all, log, clock }) }
}

async function allClosed(open: () => number): Promise<void> {
  for (let tried = 0; tried < 100 && open() > 0; tried++)
    await new Promise((resolve) => setTimeout(resolve, 10))
  assert.equal(open(), 0, 'connections stay open')
}

test('the good one is believed, and its connection is closed', async (t) => {
  const { source, fake } = await setUp(t, good)
  assert.equal(shown(await source.verify(attempt('alice', 'x'))), 'ldap:alice')
  assert.equal(shown(await source.find('ldap:alice')), 'ldap:alice')
  await allClosed(fake.open)
  const { bindRequest, searchRequest, unbindRequest } = TAGS
  assert.deepEqual(fake.asked, [bindRequest, searchRequest, bindRequest, bindRequest, unbindRequest])
})

const onBindOfAlice = (answer: (given: Message) => Buffer | undefined): Fake[1] => {
  const binds = new WeakMap<Socket, number>()
  return (given, socket) => {
    if (given.operation !== TAGS.bindRequest) return good(given)
    const count = (binds.get(socket) ?? 0) + 1
    binds.set(socket, count)
    return count === 2 ? answer(given) : good(given)
  }
}

test('an answer that is none is no success', async (t) => {
  const table: [string, Fake[1]][] = [
    ['no result code', onBindOfAlice(({ id }) => message(id, TAGS.bindResponse))],
    [
      'no texts',
      onBindOfAlice(({ id }) => message(id, TAGS.bindResponse, encodeElement(0x0a, Buffer.from([0])))),
    ],
    [
      'an empty result code',
      onBindOfAlice(({ id }) =>
        message(id, TAGS.bindResponse, encodeElement(0x0a, Buffer.alloc(0)), octets(''), octets('')),
      ),
    ],
    ['a result of something else', onBindOfAlice(({ id }) => result(id, TAGS.searchDone))],
    ['a result of an extension', onBindOfAlice(({ id }) => result(id, TAGS.extendedResponse))],
    ['a result of adding', onBindOfAlice(({ id }) => result(id, 0x69))],
    ['an entry', onBindOfAlice(({ id }) => entry(id, ALICE, {}))],
    ['for another request', onBindOfAlice(({ id }) => result(id + 1, TAGS.bindResponse))],
    ['for an earlier request', onBindOfAlice(({ id }) => result(id - 1, TAGS.bindResponse))],
    ['a notice of disconnection', onBindOfAlice(() => result(0, TAGS.extendedResponse))],
    ['a success of a step only', onBindOfAlice(({ id }) => result(id, TAGS.bindResponse, 14))],
    ['a referral', onBindOfAlice(({ id }) => result(id, TAGS.bindResponse, 10))],
    ['busy', onBindOfAlice(({ id }) => result(id, TAGS.bindResponse, 51))],
    ['a primitive operation', onBindOfAlice(({ id }) => message(id, 0x41))],
    ['HTTP', () => Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['zeros', () => Buffer.alloc(100)],
    ['a length that cannot be', () => Buffer.from([0x30, 0x80, 0, 0])],
    ['a length of everything', () => Buffer.from([0x30, 0x84, 0xff, 0xff, 0xff, 0xff])],
    [
      'a message within a message that goes beyond it',
      () => Buffer.from([0x30, 0x06, 0x02, 0x01, 0x02, 0x61, 0x20, 0x00]),
    ],
    ['half an answer', onBindOfAlice(({ id }) => result(id, TAGS.bindResponse).subarray(0, 6))],
    ['nothing', () => undefined],
    ['nothing to alice', onBindOfAlice(() => undefined)],
    [
      'the end of the connection',
      (_, socket) => {
        socket.destroy()
        return undefined
      },
    ],
    [
      'a closed connection',
      (_, socket) => {
        socket.end()
        return undefined
      },
    ],
  ]
  await Promise.all(
    table.map(async ([what, answer]) => {
      const { source, fake, log } = await setUp(t, answer)
      const began = performance.now()
      await assert.rejects(
        source.verify(attempt('alice', 'canary')),
        { code: 'UNAVAILABLE', status: 503 },
        what,
      )
      assert.ok(performance.now() - began < 2000, what)
      await allClosed(fake.open)
      assert.equal(log.lines.length, 1, `${what}: ${log.lines.join()}`)
      assert.ok(!log.lines.join().includes('canary'))
      t.diagnostic(`${what}: ${/"reason":"(.*)"/.exec(log.lines[0] ?? '')?.[1]}`)
    }),
  )
})

test('wrong is what directories say of locked, expired and missing passwords', async (t) => {
  for (const code of [19, 32, 48, 49, 50, 53]) {
    const { source } = await setUp(
      t,
      onBindOfAlice(({ id }) => result(id, TAGS.bindResponse, code)),
    )
    assert.equal(await source.verify(attempt('alice', 'x')), 'wrong', String(code))
  }
})

const onSearch =
  (answer: (id: number) => Buffer): Fake[1] =>
  (given) =>
    given.operation === TAGS.searchRequest ? answer(given.id) : good(given)

test('entries that are none, strange ones, and too much', async (t) => {
  const done = (id: number): Buffer => result(id, TAGS.searchDone)
  const whole = (...parts: Buffer[]): Buffer => Buffer.concat(parts)
  const attributes = (bytes: number[]) => (id: number) =>
    whole(message(id, TAGS.searchEntry, octets(ALICE), encodeElement(0x30, Buffer.from(bytes))), done(id))
  const table: [string, (id: number) => Buffer, string | RegExp][] = [
    ['an attribute that goes beyond its end', attributes([0x30, 0x20, 0x04, 0x01, 0x61]), /sent/],
    ['a lone byte', attributes([0x04]), /sent/],
    ['a value that is no text', attributes([0x30, 0x07, 0x04, 0x01, 0x61, 0x31, 0x02, 0x30, 0x00]), /sent/],
    ['no attributes at all', (id) => whole(message(id, TAGS.searchEntry, octets(ALICE)), done(id)), /sent/],
    [
      'attributes of another kind',
      (id) => whole(message(id, TAGS.searchEntry, octets(ALICE), octets('\x04')), done(id)),
      /sent/,
    ],
    ['no name', (id) => whole(entry(id, ALICE, {}), done(id)), 'wrong'],
    ['an empty name', (id) => whole(entry(id, ALICE, { uid: [''] }), done(id)), 'wrong'],
    [
      'several names, none of them this',
      (id) => whole(entry(id, ALICE, { uid: ['a', 'b'] }), done(id)),
      'wrong',
    ],
    [
      'several names, one of them this',
      (id) => whole(entry(id, ALICE, { UID: ['a', 'alice'] }), done(id)),
      'ldap:alice',
    ],
    ['no dn', (id) => whole(entry(id, '', { uid: ['alice'] }), done(id)), 'wrong'],
    [
      'two entries',
      (id) => whole(entry(id, ALICE, { uid: ['alice'] }), entry(id, 'uid=x', { uid: ['alice'] }), done(id)),
      'wrong',
    ],
    [
      'two, and no more allowed',
      (id) =>
        whole(entry(id, ALICE, { uid: ['alice'] }), entry(id, 'x=y', {}), result(id, TAGS.searchDone, 4)),
      'wrong',
    ],
    [
      'a reference only',
      (id) => whole(message(id, TAGS.searchReference, octets('ldap://127.0.0.1:1/')), done(id)),
      'unknown',
    ],
    ['another name', (id) => whole(entry(id, ALICE, { uid: ['root'] }), done(id)), /writes it: root/],
    [
      'an entry, and an error',
      (id) => whole(entry(id, ALICE, { uid: ['alice'] }), result(id, TAGS.searchDone, 80)),
      /answers/,
    ],
    [
      'attributes with odd names',
      (id) =>
        whole(
          entry(id, ALICE, { __proto__: ['x'], constructor: ['y'], dn: ['uid=root'], uid: ['alice'] }),
          done(id),
        ),
      'ldap:alice',
    ],
    [
      'thousands of entries',
      (id) => whole(...Array.from({ length: 9000 }, () => entry(id, ALICE, { uid: ['alice'] })), done(id)),
      'wrong',
    ],
    ['an answer that is too long', (id) => entry(id, ALICE, { uid: ['x'.repeat(1_100_000)] }), /too long/],
    [
      'answers without end',
      (id) => whole(...Array.from({ length: 6 }, () => entry(id, ALICE, { uid: ['x'.repeat(900_000)] }))),
      /too much/,
    ],
  ]
  for (const [what, answer, expected] of table) {
    const { source, fake, log } = await setUp(t, onSearch(answer), undefined, { timeout: 3000 })
    const found = await source.verify(attempt('alice', 'x')).then(shown, (error: unknown) => error)
    if (typeof expected === 'string') assert.equal(found, expected, what)
    else {
      assert.ok(found instanceof RegistryError, what)
      assert.match(`${found.message} ${log.lines.join()}`, expected, what)
    }
    await allClosed(fake.open)
  }
})

test('who is put on the way before StartTLS gets nothing in', async (t) => {
  const startTls =
    (more: Buffer): Fake[1] =>
    ({ id, operation }) =>
      operation === TAGS.extendedRequest
        ? Buffer.concat([result(id, TAGS.extendedResponse), more])
        : undefined
  const table: [string, Fake[1], RegExp][] = [
    ['a whole answer', startTls(result(2, TAGS.bindResponse)), /sent|something|element/],
    ['the beginning of one', startTls(Buffer.from([0x30, 0x7f, 0x02])), /element|something/],
    ['a refusal', ({ id }) => result(id, TAGS.extendedResponse, 2), /refuses StartTLS/],
    ['no result code', ({ id }) => message(id, TAGS.extendedResponse), /result without/],
    ['an answer to something else', ({ id }) => result(id, TAGS.bindResponse), /something else/],
    ['no TLS afterwards', startTls(Buffer.alloc(0)), /no answer within/],
    ['too long', () => Buffer.from([0x30, 0x82, 0x7f, 0xff]), /too long/],
  ]
  for (const [what, answer, expected] of table) {
    const { source, fake, log } = await setUp(t, answer, undefined, { starttls: true })
    await assert.rejects(source.verify(attempt('alice', 'x')), { code: 'UNAVAILABLE' }, what)
    assert.match(log.lines.join(), expected, what)
    // The password was not said.
    assert.deepEqual(fake.asked, [TAGS.extendedRequest], what)
    await allClosed(fake.open)
  }
})

test('it hangs: a few connections, everybody hears in time, too many are told to come back', async (t) => {
  const { source, fake } = await setUp(t, () => undefined)
  const began = performance.now()
  const outcomes = await Promise.allSettled(
    Array.from({ length: 200 }, (_, n) => source.verify(attempt(`user${n}`, 'x'))),
  )
  assert.ok(performance.now() - began < 2000)
  const codes = outcomes.map((one) => (one.status === 'rejected' ? (one.reason as RegistryError).code : 'in'))
  assert.deepEqual(new Set(codes), new Set(['UNAVAILABLE', 'TOOMANYREQUESTS']))
  assert.equal(codes.filter((code) => code === 'UNAVAILABLE').length, 4 + 128)
  // One that is given up is still closing when the next one begins.
  assert.ok(fake.mostOpen() <= 8, String(fake.mostOpen()))
  await allClosed(fake.open)
})

test('when it is back, it is asked again, and the log says so', async (t) => {
  let isAway = true
  const { source, log, clock } = await setUp(t, (given) => (isAway ? undefined : good(given)), undefined, {
    timeout: 100,
  })
  await assert.rejects(async () => await source.find('ldap:alice'), { code: 'UNAVAILABLE' })
  isAway = false
  assert.equal(shown(await source.find('ldap:alice')), 'ldap:alice')
  assert.match(log.lines.join('\n'), /^error .*no answer within 100 ms.*\ninfo the directory answers again/)
  // What it said holds while it is away, and no longer.
  isAway = true
  clock.time += 59_999
  assert.equal(shown(await source.find('ldap:alice')), 'ldap:alice')
  clock.time += 1
  await assert.rejects(async () => await source.find('ldap:alice'), { code: 'UNAVAILABLE' })
})

test('whatever bytes come, they are refused or a whole answer', () => {
  const request = { id: 2, operation: TAGS.searchRequest }
  const sample = entry(2, ALICE, { uid: ['alice'], cn: ['a', 'b'] })
  const damaged = fc
    .array(fc.tuple(fc.nat(sample.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
    .map((changes) => {
      const bytes = Buffer.from(sample)
      for (const [at, value] of changes) bytes[at] = value
      return bytes
    })
  const any = fc.oneof(
    damaged,
    fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
  )
  fc.assert(
    fc.property(any, (bytes) => {
      let answer: Buffer | undefined
      try {
        answer = checkAnswer(bytes, request)
      } catch (error) {
        assert.ok(error instanceof NotLdap, String(error))
        return
      }
      // It is what it was, looked at again.
      if (answer !== undefined) assert.deepEqual(checkAnswer(answer, request), answer)
    }),
    { numRuns: 5000 },
  )
})
