import assert from 'node:assert/strict'
import { argon2Sync, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { argon2Elsewhere, makeHash, matches, NOBODYS_HASH } from './compute.ts'
import { kindOfHash } from './parse-hash.ts'

const x = (count: number): string => 'x'.repeat(count)

// Made with Apache's htpasswd.
const OF_72 = '$2y$05$Dbttn/rxJFUvifZJBCVL6u93EDaOD6H/eUuI01Lxmtkj7iTODo4cW'
const OF_80 = '$2y$05$Vm4pD8fNr.cgDhDv9/wPheIOhOiZvqyiqzena1zmeUUAbqaPkaQTO'
const SECRET = '$2y$05$kxh/v/4ho.zUk4iOX1q8..b8wg/A4hiuvuWKdcAHbbiH4RPJ0l/F6'

test('bcrypt: as Go and htpasswd have it, 72 bytes and no more', async () => {
  const table: [string, string, boolean][] = [
    ['secret', SECRET, true],
    ['secret', SECRET.replace('$2y$', '$2a$'), true],
    ['secret', SECRET.replace('$2y$', '$2b$'), true],
    ['Secret', SECRET, false],
    ['secret ', SECRET, false],
    ['secret', SECRET.replace(/6$/, '5'), false],
    ['påßword€', '$2y$05$547B1uPFTS6vxyWyo1CAXOfzDoTD2QYT14xOfOHNNWfz3txR8gQv6', true],
    ['a b', '$2y$04$AuB0KdzH03Fez2hpkb4Ft.NB.JpihHZ45nPMVs9Acdwi7vR5rTW3a', true],
    [x(72), OF_72, true],
    [x(80), OF_72, true],
    [x(71), OF_72, false],
    [x(80), OF_80, true],
    [x(72), OF_80, true],
    [x(71), OF_80, false],
    // Those of crypt_blowfish.
    ['U*U', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW', true],
    ['U*U*', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK', true],
  ]
  for (const [password, hash, expected] of table) {
    assert.equal(await matches(password, hash), expected, `${password} ${hash}`)
  }
})

// Those of the specification, as glibc answers them.
const SHA_CRYPT: [string, string][] = [
  ['Hello world!', '$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5'],
  ['Hello world!', '$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA'],
  ['This is just a test', '$5$rounds=5000$toolongsaltstrin$Un/5jzAHMgOGZ5.mWJpuVolil07guHPvOW8mGRcvxa5'],
  [
    'a very much longer text to encrypt.  This one even stretches over morethan one line.',
    '$5$rounds=1400$anotherlongsalts$Rx.j8H.h8HjEDGomFU8bDkXm3XIUnzyxf12oP84Bnq1',
  ],
  [
    'we have a short salt string but not a short password',
    '$5$rounds=77777$short$JiO1O3ZpDAxGJeaDIuqCoEFysAe1mZNJRs3pw0KQRd/',
  ],
  ['a short string', '$5$rounds=123456$asaltof16chars..$gP3VQ/6X7UUEW3HkBn2w1/Ptq2jxPyzV/cZKmF/wJvD'],
  [
    'the minimum number is still observed',
    '$5$rounds=10$roundstoolow$yfvwcWrQ8l/K0DAWyuPMDNHpIVlTQebY9l/gL972bIC',
  ],
  [x(200), '$5$s$mSPyV/YylYlnGha4mmMwdwOhr1pDolIsqbJMxN901uC'],
  [
    'Hello world!',
    '$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1',
  ],
  [
    'Hello world!',
    '$6$rounds=10000$saltstringsaltstring$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.',
  ],
  [
    'This is just a test',
    '$6$rounds=5000$toolongsaltstrin$lQ8jolhgVRVhY4b5pZKaysCLi0QBxGoNeKQzQ3glMhwllF7oGDZxUhx1yxdYcz/e1JSbq3y6JMxxl8audkUEm0',
  ],
  [
    'a very much longer text to encrypt.  This one even stretches over morethan one line.',
    '$6$rounds=1400$anotherlongsalts$POfYwTEok97VWcjxIiSOjiykti.o/pQs.wPvMxQ6Fm7I6IoYN3CmLs66x9t0oSwbtEW7o7UmJEiDwGqd8p4ur1',
  ],
  [
    'we have a short salt string but not a short password',
    '$6$rounds=77777$short$WuQyW2YR.hBNpjjRhpYD/ifIw05xdfeEyQoMxIXbkvr0gge1a1x3yRULJ5CCaUeOxFmtlcGZelFl5CxtgfiAc0',
  ],
  [
    'a short string',
    '$6$rounds=123456$asaltof16chars..$BtCwjqMJGx5hrJhZywWvt0RLE8uZ4oPwcelCjmw2kSYu.Ec6ycULevoBK25fs2xXgMNrCzIMVcgEJAstJeonj1',
  ],
  ['e', '$6$$UJE0lte7JCA1ahxdy0u4eQI7.PtPe5o6//SeCtG0rmDmYe0rlUsaRrPA8QtM9pMJStYziW6fR0dn/ish9EJQN1'],
]

test('sha256-crypt and sha512-crypt', async () => {
  for (const [password, hash] of SHA_CRYPT) {
    assert.equal(await matches(password, hash), true, hash)
    if (!hash.includes('rounds=')) assert.equal(await matches(`${password}.`, hash), false, hash)
  }
})

test('argon2: the reference implementation, and each variant as OpenSSL has it', async () => {
  const reference = '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4'
  assert.equal(await matches('password', reference), true)
  assert.equal(await matches('passwore', reference), false)
  const base64 = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '')
  for (const algorithm of ['argon2d', 'argon2i', 'argon2id'] as const) {
    const nonce = randomBytes(16)
    const parameters = { message: 'påßword', nonce, parallelism: 4, tagLength: 48, memory: 1024, passes: 3 }
    const digest = argon2Sync(algorithm, parameters)
    const hash = `$${algorithm}$v=19$m=1024,t=3,p=4$${base64(nonce)}$${base64(digest)}`
    assert.equal(await matches('påßword', hash), true, hash)
    assert.equal(await matches('password', hash), false, hash)
    // Both ways to compute it.
    const options = {
      variant: algorithm.slice(6) as 'd' | 'i' | 'id',
      memory: 1024,
      passes: 3,
      lanes: 4,
      salt: nonce,
    }
    const elsewhere = await argon2Elsewhere({ ...options, length: 48 }, Buffer.from('påßword'))
    assert.deepEqual(Buffer.from(elsewhere), digest)
  }
})

test('our own kind has its parameters in the text and another salt each time', async () => {
  const [first, second] = [await makeHash('correct horse'), await makeHash('correct horse')]
  assert.match(first, /^\$argon2id\$v=19\$m=32768,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
  assert.notEqual(first, second)
  assert.equal(await matches('correct horse', first), true)
  assert.equal(await matches('correct horsE', first), false)
  assert.deepEqual(kindOfHash(NOBODYS_HASH), { kind: 'argon2' })
  assert.equal(await matches('correct horse', NOBODYS_HASH), false)
})
