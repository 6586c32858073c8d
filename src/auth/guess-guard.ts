/**
 * Who guesses passwords has to wait. Three counts, each with a question of its own:
 *
 * - of a name from an address: the same account again. Five are free, then 1 s, 2 s, 4 s … up to five minutes.
 * - of an address, whatever the names: somebody tries many. A hundred are free. A program that goes on with one wrong
 *   password is stopped by the first count and weighs next to nothing here, so that a fleet behind one address is not shut
 *   out by one of its machines.
 * - of a name, wherever from: many try the same account. Each address then has one try instead of five; and much later
 *   those that never signed in have to share one every half a minute.
 *
 * Who has signed in from an address before is judged by the first count alone, and waits for seconds only: nobody can be
 * locked out of their own account. IPv6 addresses count as their /64. Names are compared as a directory would.
 */
import type { Clock } from '../lib/clock.ts'
import { sourceOf } from '../lib/address.ts'
import { RegistryError } from '../oci/error.ts'
import { createBackOff, type Patience } from './back-off.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

const OF_PAIR: Patience = { free: 5, longestWaitMs: 5 * MINUTE }
/** The account is under attack from many addresses. */
const OF_PAIR_STRICT: Patience = { free: 1, longestWaitMs: 5 * MINUTE }
const OF_PAIR_KNOWN: Patience = { free: 10, longestWaitMs: 15 * SECOND }
const OF_ADDRESS: Patience = { free: 100, longestWaitMs: 5 * MINUTE }
const OF_NAME: Patience = { free: 200, longestWaitMs: 30 * SECOND }
const STRICT_FROM = 20
/** What a failure of a name that has to wait already counts for its address. */
const AGAIN = 0.1

const MOST_PAIRS = 20_000
const MOST_ADDRESSES = 10_000
const MOST_NAMES = 10_000
/** Where an account has signed in from: at most so many addresses, of so many accounts. */
const MOST_KNOWN = 32
const MOST_ACCOUNTS = 10_000
const LONGEST_NAME = 128

/** Who guesses passwords has to wait, longer each time. */
export type GuessGuard = {
  /**
   * Before a password is looked at.
   * @throws RegistryError TOOMANYREQUESTS with `retryAfter`: too many wrong ones from there, or for that name from there
   */
  check(name: string, address: string): void
  /** One of these three for each that {@link check} let through. */
  failed(name: string, address: string): void
  succeeded(name: string, address: string): void
  /** It could not be looked at. */
  gaveUp(name: string, address: string): void
}

export type GuessFigures = {
  /** Wrong passwords. */
  failed: number
  /** Attempts that had to wait. */
  refused: number
}

export function createGuessGuard({
  clock,
}: {
  clock: Clock
}): GuessGuard & { readonly figures: GuessFigures } {
  const now = () => clock.now()
  const rules = { now, firstWaitMs: SECOND, forgetMs: HOUR }
  const pairs = createBackOff({ ...rules, forgivenPerHour: 0, most: MOST_PAIRS })
  const addresses = createBackOff({ ...rules, forgivenPerHour: 60, most: MOST_ADDRESSES })
  const names = createBackOff({ ...rules, forgivenPerHour: 60, most: MOST_NAMES })
  const known = createKnown()
  const looking = createLooking()
  const figures: GuessFigures = { failed: 0, refused: 0 }

  function patienceOf(name: string, source: string): Patience {
    if (known.has(name, source)) return OF_PAIR_KNOWN
    return names.failuresOf(name) >= STRICT_FROM ? OF_PAIR_STRICT : OF_PAIR
  }

  function refuse(waitMs: number, what: string): never {
    figures.refused += 1
    const retryAfter = Math.max(1, Math.ceil(waitMs / SECOND))
    throw new RegistryError(
      'TOOMANYREQUESTS',
      `too many wrong passwords ${what}: try again in ${retryAfter} s`,
      {
        retryAfter,
      },
    )
  }

  return {
    figures,
    check(given, address) {
      const [name, source] = [nameKey(given), sourceOf(address)]
      const pair = `${source} ${name}`
      const patience = patienceOf(name, source)
      const isKnown = patience === OF_PAIR_KNOWN
      const wait = pairs.waitOf(pair, patience)
      if (wait > 0) refuse(wait, 'for this name from this address')
      // Those that are being looked at may all be wrong.
      const others = looking.of(pair)
      if (others > 0 && pairs.failuresOf(pair) + others >= patience.free)
        refuse(SECOND, 'for this name from this address')
      const waitOfAddress = isKnown ? 0 : addresses.waitOf(source, OF_ADDRESS)
      if (waitOfAddress > 0) refuse(waitOfAddress, 'from this address')
      const waitOfName = isKnown ? 0 : names.waitOf(name, OF_NAME)
      if (waitOfName > 0) refuse(waitOfName, 'for this name')
      looking.begin(pair)
      pairs.begin(pair, patience)
      if (isKnown) return
      addresses.begin(source, OF_ADDRESS)
      names.begin(name, OF_NAME)
    },
    failed(given, address) {
      const [name, source] = [nameKey(given), sourceOf(address)]
      const pair = `${source} ${name}`
      figures.failed += 1
      looking.end(pair)
      addresses.failed(source, pairs.failuresOf(pair) < OF_PAIR.free ? 1 : AGAIN)
      names.failed(name)
      pairs.failed(pair)
    },
    succeeded(given, address) {
      const [name, source] = [nameKey(given), sourceOf(address)]
      looking.end(`${source} ${name}`)
      pairs.forgive(`${source} ${name}`)
      known.add(name, source)
    },
    gaveUp: (given, address) => looking.end(`${sourceOf(address)} ${nameKey(given)}`),
  }
}

/** `Alice`, `alice ` and `ＡＬＩＣＥ` can be one account of a directory. */
function nameKey(name: string): string {
  return name.slice(0, LONGEST_NAME).normalize('NFKC').toLowerCase().trim().replace(/\s+/g, ' ')
}

/** How many are being looked at, of each pair: as many keys as attempts that wait for their answer. */
function createLooking() {
  const counts = new Map<string, number>()
  const of = (pair: string): number => counts.get(pair) ?? 0
  return {
    of,
    begin: (pair: string): void => void counts.set(pair, of(pair) + 1),
    end(pair: string): void {
      const left = of(pair) - 1
      if (left > 0) counts.set(pair, left)
      else counts.delete(pair)
    },
  }
}

/** Where each account has signed in from, the latest ones. Only who has a right password gets in here. */
function createKnown() {
  const accounts = new Map<string, Set<string>>()
  /** Makes it the latest one. */
  function touch(name: string): Set<string> {
    const sources = accounts.get(name) ?? new Set()
    accounts.delete(name)
    accounts.set(name, sources)
    return sources
  }
  return {
    has: (name: string, source: string): boolean => accounts.get(name)?.has(source) === true,
    add(name: string, source: string): void {
      const sources = touch(name)
      sources.delete(source)
      sources.add(source)
      dropFirst(sources, MOST_KNOWN)
      dropFirst(accounts, MOST_ACCOUNTS)
    },
  }
}

function dropFirst(kept: Set<string> | Map<string, unknown>, most: number): void {
  if (kept.size <= most) return
  const [first] = kept.keys()
  if (first !== undefined) kept.delete(first)
}
