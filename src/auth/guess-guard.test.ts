import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RegistryError } from '../oci/error.ts'
import { createBackOff } from './back-off.ts'
import { createGuessGuard } from './guess-guard.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const HERE = '192.0.2.1'

function fixture() {
  let now = 1_800_000_000_000
  const guard = createGuessGuard({ clock: { now: () => now } })
  const check = (name: string, address = HERE): number => {
    try {
      guard.check(name, address)
      return 0
    } catch (error) {
      assert.ok(error instanceof RegistryError && error.code === 'TOOMANYREQUESTS')
      assert.ok(error.retryAfter !== undefined && error.retryAfter >= 1)
      assert.ok(!error.message.includes(name))
      return error.retryAfter
    }
  }
  /** Seconds to wait; 0: it was looked at, and was wrong. */
  const guess = (name: string, address = HERE): number => {
    const wait = check(name, address)
    if (wait === 0) guard.failed(name, address)
    return wait
  }
  /** As long as possible, one after the other. @returns how many were looked at */
  const guessFor = (
    ms: number,
    name: string | (() => string),
    address: string | (() => string) = HERE,
  ): number => {
    const end = now + ms
    let looked = 0
    while (now < end) {
      const wait = guess(
        typeof name === 'string' ? name : name(),
        typeof address === 'string' ? address : address(),
      )
      if (wait === 0) looked++
      now += wait === 0 ? 100 : Math.min(wait * SECOND, 10 * SECOND)
    }
    return looked
  }
  return { guard, check, guess, guessFor, pass: (ms: number) => (now += ms) }
}

test('guesses at the same time are no more than one after the other', () => {
  const { guard, check, pass } = fixture()
  for (let i = 0; i < 5; i++) assert.equal(check('alice'), 0, 'one of five')
  for (let i = 0; i < 100; i++) assert.equal(check('alice'), 1, 'one more, while those are looked at')
  assert.equal(check('alice', '198.51.100.7'), 0, 'from elsewhere')
  assert.equal(check('bob'), 0, 'somebody else')
  guard.failed('alice', HERE)
  assert.equal(check('alice'), 1, 'four are looked at, and one was wrong')
  guard.gaveUp('alice', HERE)
  assert.equal(check('alice'), 0, 'one was not looked at in the end')
  for (let i = 0; i < 4; i++) guard.failed('alice', HERE)
  assert.equal(check('alice'), 1, 'five were wrong')
  pass(SECOND)
  assert.equal(check('alice'), 0)
  pass(10 * SECOND)
  assert.equal(check('alice'), 1, 'however long it takes')
  guard.succeeded('alice', HERE)
  for (let i = 0; i < 10; i++) assert.equal(check('alice'), 0, 'who is known')
  assert.equal(check('alice'), 1)
})

test('five guesses are free; then each wait is twice as long, up to five minutes', () => {
  const { guess, check, pass } = fixture()
  for (let i = 0; i < 5; i++) assert.equal(guess('alice'), 0)
  const waits: number[] = []
  for (let i = 0; i < 12; i++) {
    const wait = check('alice')
    waits.push(wait)
    pass(wait * SECOND - 1)
    assert.ok(check('alice') > 0, 'not before its time')
    pass(1)
    assert.equal(guess('alice'), 0)
  }
  assert.deepEqual(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300])
  assert.equal(check('bob'), 0, 'another name')
  assert.equal(check('alice', '192.0.2.2'), 0, 'another address')
  assert.equal(check(' ALICE'), 300, 'the same name to a directory')
})

test('the right password ends the waiting, and an hour of peace', () => {
  const { guard, guess, check, pass } = fixture()
  for (let i = 0; i < 5; i++) guess('alice')
  pass(SECOND)
  assert.equal(check('alice'), 0)
  guard.succeeded('alice', HERE)
  for (let i = 0; i < 5; i++) assert.equal(guess('alice'), 0)
  for (let i = 0; i < 5; i++) guess('bob')
  assert.ok(check('bob') > 0)
  pass(HOUR + SECOND)
  for (let i = 0; i < 5; i++) assert.equal(guess('bob'), 0)
})

test('many at the same time do not get around the waiting', () => {
  const { guess, check, guard, pass } = fixture()
  for (let i = 0; i < 6; i++) {
    if (i === 5) pass(SECOND)
    assert.equal(guess('alice'), 0)
  }
  pass(2 * SECOND)
  const looked = Array.from({ length: 100 }, () => check('alice')).filter((wait) => wait === 0)
  assert.equal(looked.length, 1, 'one of them is looked at')
  guard.failed('alice', HERE)
  assert.equal(check('alice'), 4)
  // One that could not be looked at (a directory that is away): the next may try soon.
  pass(4 * SECOND)
  assert.deepEqual([check('alice'), check('alice')], [0, 5])
  guard.gaveUp('alice', HERE)
  pass(5 * SECOND)
  assert.equal(check('alice'), 0)
})

test('one address that tries many names', () => {
  const { guessFor, pass, check } = fixture()
  let count = 0
  const first = guessFor(10 * MINUTE, () => `user${count++}`)
  assert.ok(first >= 100 && first < 130, `${first} in the first ten minutes`)
  const later = guessFor(HOUR, () => `user${count++}`)
  assert.ok(later < 80, `${later} in the next hour`)
  assert.equal(check('user0', '192.0.2.2'), 0)
  pass(3 * HOUR)
  assert.equal(check('anybody'), 0)
})

test('a /64 of IPv6 is one address', () => {
  const { guess, check } = fixture()
  for (let i = 0; i < 5; i++) assert.equal(guess('alice', `2001:db8::${i}`), 0)
  assert.ok(check('alice', '2001:db8::ffff') > 0)
  assert.equal(check('alice', '2001:db8:0:1::1'), 0)
})

test('a fleet behind one address, where some machines go on with a wrong password, is not shut out', () => {
  const { guess, guard, check, pass } = fixture()
  let looked = 0
  // Ten wrong accounts, each tried every second for a quarter of a day.
  for (let second = 0; second < 6 * 3600; second++) {
    for (let i = 0; i < 10; i++) if (guess(`old-robot${i}`) === 0) looked++
    pass(SECOND)
    if (second % 600 !== 0) continue
    assert.equal(check('another-robot'), 0, `somebody new there, after ${second} s`)
    guard.gaveUp('another-robot', HERE)
  }
  assert.ok(looked < 10 * 6 * 15, `${looked} wrong passwords were hashed`)
  // The others of the same account, with the right password, which nobody remembers any more.
  guard.succeeded('old-robot0', HERE)
  for (let i = 0; i < 30; i++) {
    guess('old-robot0')
    pass(SECOND)
  }
  assert.ok(check('old-robot0') <= 15)
})

test('an account that many addresses guess at: its owner gets in', () => {
  const { guard, guess, guessFor, check, pass } = fixture()
  const HOME = '198.51.100.1'
  guard.succeeded('alice', HOME)
  let count = 0
  const somewhere = () => `10.${(count >> 16) & 255}.${(count >> 8) & 255}.${count++ & 255}`
  for (let i = 0; i < 100; i++) assert.equal(guess('alice', somewhere()), 0)
  assert.equal(guess('alice', '10.0.0.1'), 0 + 1, 'who failed before waits at once')
  const inAnHour = guessFor(HOUR, 'alice', somewhere)
  assert.ok(inAnHour < 400, `${inAnHour} in an hour, whatever the number of addresses`)
  assert.equal(check('alice', HOME), 0)
  for (let i = 0; i < 3; i++) assert.equal(guess('alice', HOME), 0, 'a slip of the finger is nothing')
  guard.succeeded('alice', HOME)
  // From somewhere new: within half a minute.
  const wait = check('alice', '203.0.113.5')
  assert.ok(wait <= 30)
  pass(wait * SECOND)
  assert.equal(check('alice', '203.0.113.5'), 0)
})

test('names that nobody has are treated as any other', () => {
  const { guess } = fixture()
  const waits = (name: string) => Array.from({ length: 8 }, () => guess(name))
  assert.deepEqual(waits('nobody'), waits('alice'))
})

test('what is remembered is bounded, and a flood does not make a real offender forgotten', () => {
  let now = 1_800_000_000_000
  const clock = { now: () => now, firstWaitMs: 1000, forgivenPerHour: 0, forgetMs: HOUR, most: 1000 }
  const table = createBackOff(clock)
  for (let i = 0; i < 8; i++) table.failed('offender')
  for (let i = 0; i < 100_000; i++) table.failed(`filler ${i}`)
  assert.equal(table.size, 1000)
  assert.equal(table.failuresOf('offender'), 8)
  now += HOUR + 1
  table.failed('one more')
  assert.equal(table.failuresOf('offender'), 0)
  const guard = fixture()
  for (let i = 0; i < 5; i++) guard.guess('alice')
  for (let i = 0; i < 60_000; i++) guard.guess(`x${i}`, `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`)
  assert.ok(guard.check('alice') > 0)
})

test('a clock that is put back locks nobody out', () => {
  const { guess, check, pass } = fixture()
  for (let i = 0; i < 10; i++) guess('alice')
  pass(-HOUR)
  assert.ok(check('alice') <= 300)
  pass(300 * SECOND)
  assert.equal(check('alice'), 0)
})
