import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseHtpasswd } from './parse-htpasswd.ts'

const A = '$2y$05$kxh/v/4ho.zUk4iOX1q8..b8wg/A4hiuvuWKdcAHbbiH4RPJ0l/F6'
const B = '$2y$05$LM4pM4xDchbVPiKo2YuruOdbBtEQ3ZqePOWqVozNQU5OvpzIRTFqu'

function parsed(text: string) {
  const { users, unusable, problems } = parseHtpasswd(text)
  return {
    users: Object.fromEntries(Array.from(users.values(), ({ name, hash }) => [name, hash])),
    unusable: [...unusable],
    problems: problems.map(({ line, name, why }) => `${line} ${name ?? '-'} ${why}`),
  }
}

test("Distribution's format: comments, blank lines, blanks at the ends, both line ends", () => {
  const text = `\uFEFF# users\n\n  alice:${A}  \r\n\tbob:${B}\n#carol:${A}\n\n`
  assert.deepEqual(parsed(text), { users: { alice: A, bob: B }, unusable: [], problems: [] })
  assert.deepEqual(parsed(''), { users: {}, unusable: [], problems: [] })
  // Without an end of line, as Distribution writes it.
  assert.deepEqual(parsed(`docker:${A}`).users, { docker: A })
})

test('each line that cannot be used is named with its number, and the others are used', () => {
  const table: [string, RegExp][] = [
    ['bob', /^2 - has no colon: .* "htpasswd -B"/],
    ['hunter2', /^2 - has no colon/],
    ['bob:', /^2 bob the password is missing: write the line again with "htpasswd -B"/],
    [`:${A}`, /^2 {2}the name is missing/],
    ['bob:hunter2', /^2 bob the password is plain text/],
    ['bob:$apr1$5WJu9eNZ$.oq0OEs3T.ZOVsgs2quNY/', /^2 bob the password is MD5/],
    [`bob:${A}:more`, /^2 bob the password is a damaged bcrypt hash/],
    [`bob :${A.slice(0, 20)}`, /^2 bob {2}the password is a damaged bcrypt/],
    [`b\u0007ob:${A}`, /^2 b.ob the name has characters/],
    [`b\uFFFDob:${A}`, /the name has characters/],
    [`${'b'.repeat(300)}:${A}`, /the name is longer than 255 characters/],
  ]
  for (const [line, expected] of table) {
    const { users, problems } = parsed(`alice:${A}\n${line}\ncarol:${B}\n`)
    assert.deepEqual(users, { alice: A, carol: B }, line)
    assert.equal(problems.length, 1)
    assert.match(problems[0] ?? '', expected)
    assert.ok(!problems[0]?.includes('hunter2'))
  }
})

test('a name that stands twice cannot sign in, unless both lines are the same', () => {
  const twice = parsed(`alice:${A}\nbob:${B}\nalice:${B}\nalice:${A}\n`)
  assert.deepEqual(twice.users, { bob: B })
  assert.deepEqual(twice.unusable, ['alice'])
  assert.match(twice.problems[0] ?? '', /^3 alice the name stands in line 1 too, with another password/)
  assert.match(twice.problems[1] ?? '', /^4 alice the name stands in an earlier line too/)
  assert.deepEqual(parsed(`alice:${A}\nalice:${A}\n`).users, { alice: A })
  // Also where only one of the two is usable.
  assert.deepEqual(parsed(`alice:${A}\nalice:plain\n`).users, {})
  assert.deepEqual(parsed(`alice:plain\nalice:${A}\n`).users, {})
})

test('names are compared as they are', () => {
  const names = ['Alice', 'alice', '__proto__', 'constructor', 'a b', 'ünï']
  const { users } = parseHtpasswd(names.map((name) => `${name}:${A}`).join('\n'))
  assert.deepEqual([...users.keys()], names)
})

test('no text makes it throw, and no line is lost', () => {
  const line = fc.oneof(
    fc.constantFrom('', '#', `a:${A}`, `b:${B}`, 'a:x', 'nonsense', ' ', ':', '\r'),
    fc.string(),
  )
  fc.assert(
    fc.property(fc.array(line), (lines) => {
      const text = lines.join('\n')
      const { users, unusable, problems } = parseHtpasswd(text)
      for (const name of users.keys()) assert.ok(!unusable.has(name))
      const meant = text.split('\n').filter((one) => one.trim() !== '' && !one.trim().startsWith('#'))
      assert.ok(users.size + problems.length <= meant.length)
      if (meant.length > 0) assert.ok(users.size + problems.length > 0)
    }),
  )
})
