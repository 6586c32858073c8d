import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { kindOfHash } from './parse-hash.ts'

const B53 = 'kxh/v/4ho.zUk4iOX1q8..b8wg/A4hiuvuWKdcAHbbiH4RPJ0l/F6'

test('each kind is known by its text, and why another is not used is said', () => {
  const table: [string, string | RegExp][] = [
    [`$2y$05$${B53}`, 'bcrypt'],
    [`$2a$04$${B53}`, 'bcrypt'],
    [`$2b$17$${B53}`, 'bcrypt'],
    ['$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4', 'argon2'],
    ['$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA', 'argon2'],
    ['$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5', 'sha256-crypt'],
    [`$6$rounds=656000$abc$${'a'.repeat(86)}`, 'sha512-crypt'],
    ['', /missing/],
    ['secret', /plain text/],
    ['$apr1$5WJu9eNZ$.oq0OEs3T.ZOVsgs2quNY/', /MD5/],
    ['$1$5WJu9eNZ$.oq0OEs3T.ZOVsgs2quNY/', /MD5/],
    ['{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=', /SHA-1/],
    ['{SSHA}5en6G6MezRroT3XKqkdPOmY/BfQ=', /SHA-1/],
    ['lithWzBgVjCkk', /DES crypt or plain text/],
    ['$y$j9T$abc$def', /yescrypt/],
    ['$scrypt$ln=15,r=8,p=3$abc$def', /scrypt/],
    ['!', /locked/],
    [`*$2y$05$${B53}`, /locked/],
    [`$2x$05$${B53}`, /broken kind of bcrypt/],
    [`$2$05$${B53}`, /damaged bcrypt/],
    [`$2y$05$${B53}x`, /damaged bcrypt/],
    [`$2y$05$${B53.slice(1)}`, /damaged bcrypt/],
    [`$2y$05$${B53}:and more`, /damaged bcrypt/],
    [`$2y$03$${B53}`, /cost below 4/],
    [`$2y$18$${B53}`, /cost above 17/],
    [`$2y$31$${B53}`, /cost above 17/],
    ['$argon2id$v=16$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4', /old version/],
    ['$argon2id$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4', /damaged argon2/],
    ['$argon2id$v=19$m=7,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4', /damaged argon2/],
    [
      '$argon2id$v=19$m=256,t=0,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4',
      /damaged argon2/,
    ],
    ['$argon2id$v=19$m=256,t=2,p=1$c29t$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4', /too short/],
    ['$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65', /too short/],
    ['$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4', /too much/],
    [
      '$argon2id$v=19$m=65536,t=999999,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4',
      /too much/,
    ],
    ['$argon2id$v=19$m=999,t=1,p=99$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4', /too much/],
    [`$6$rounds=999999999$abc$${'a'.repeat(86)}`, /more than 1000000 rounds/],
    [`$6$abc$${'a'.repeat(43)}`, /damaged sha512/],
    [`$5$abc$${'a'.repeat(86)}`, /damaged sha256/],
    [`$2y$05$${'a'.repeat(2000)}`, /too long/],
  ]
  for (const [text, expected] of table) {
    const found = kindOfHash(text)
    if (typeof expected === 'string') assert.deepEqual(found, { kind: expected }, text)
    else assert.match('unusable' in found ? found.unusable : '', expected, text)
  }
})

test('no text makes it throw, and none is told again', () => {
  const part = fc.constantFrom('$', '2y', '5', '6', 'argon2id', 'v=19', 'm=9', ',', 'rounds=', 'a', '0')
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(part).map((parts) => parts.join('')),
      ),
      (text) => {
        const found = kindOfHash(text)
        if (text.length > 20 && 'unusable' in found) assert.ok(!found.unusable.includes(text))
      },
    ),
  )
})
