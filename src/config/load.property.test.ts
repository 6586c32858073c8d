import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { load, loadFile } from './files.fixture.ts'
import { ConfigError } from './mistakes.ts'
import { schema } from './schema.ts'
import { showConfig } from './show.ts'
import { walkShapes } from './shape.ts'

const settings = [...walkShapes(schema)].filter(({ path }) => path !== '')
const SCALARS = [
  '',
  '~',
  'yes',
  'off',
  '0',
  '-1',
  '010',
  '1e9',
  '10s',
  ':5000',
  '/x',
  'all',
  'tcp',
  '[]',
  '{}',
  '"q"',
  '*a',
]
const value = fc.oneof(fc.constantFrom(...SCALARS), fc.string({ maxLength: 20 }), fc.json({ maxDepth: 3 }))

/** Loads or throws ConfigError with at least one mistake; anything else fails. */
function settles(action: () => { config: unknown }): void {
  try {
    assert.ok(Object.isFrozen(action().config))
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error))
    assert.ok(error.mistakes.length > 0 && error.mistakes.every(({ message }) => message !== ''))
  }
}

test('any text is a configuration or a list of mistakes', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.json(),
    fc.stringMatching(/^[-:[\]{}&*!|>#?%@,a-c \n]{0,60}$/),
  )
  fc.assert(
    fc.property(text, (body) => {
      settles(() => loadFile(body))
      settles(() => loadFile(`version: 0.1\nstorage: filesystem\n${body}`))
    }),
    { numRuns: 250 },
  )
})

test('any value anywhere is taken or is a mistake', () => {
  const key = fc.constantFrom(...settings.map(({ path }) => path.replaceAll('[0]', '').split('.')))
  fc.assert(
    fc.property(fc.array(fc.tuple(key, value), { maxLength: 4 }), (pairs) => {
      const lines = pairs.map(
        ([keys, text]) => keys.map((part, depth) => `${' '.repeat(depth)}${part}:`).join('\n') + ` ${text}`,
      )
      settles(() => loadFile(`version: 0.1\nstorage: inmemory\n${lines.join('\n')}\n`))
    }),
    { numRuns: 250 },
  )
})

test('any environment is taken, ignored with a warning, or a mistake; what is taken can be shown and read again', () => {
  const name = fc.oneof(
    fc.constantFrom(...settings.map(({ variable }) => variable)),
    fc.constantFrom(...settings.map(({ variable }) => `${variable}_FILE`)),
    fc.stringMatching(/^REGISTRY_[A-Z0-9_a-z-]{0,30}$/),
  )
  fc.assert(
    fc.property(fc.dictionary(name, value, { maxKeys: 4 }), (env) => {
      settles(() => {
        const loaded = load({ env })
        const shown = showConfig(loaded)
        if (!shown.includes('; hidden')) assert.deepEqual(loadFile(shown).config, loaded.config)
        return loaded
      })
    }),
    { numRuns: 600 },
  )
})
