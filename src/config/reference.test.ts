import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { load } from './files.fixture.ts'
import { referencePage } from './reference.ts'
import { schema } from './schema.ts'
import { isInConfig, type Shape, walkShapes } from './shape.ts'

/** So that the settings of lists have a value too. */
const ONE_OF_EACH = {
  REGISTRY_HEALTH_FILECHECKERS: '[{file: /x}]',
  REGISTRY_HEALTH_HTTPCHECKERS: '[{uri: http://x/}]',
  REGISTRY_HEALTH_TCPCHECKERS: '[{addr: "x:1"}]',
  REGISTRY_VALIDATION_MANIFESTS_INDEXES_PLATFORMLIST: '[{os: linux}]',
}

const page = referencePage()
const { sources } = load({ env: ONE_OF_EACH })

test('the page in docs is the one made from the schema', () => {
  const written = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8')
  assert.equal(written, page, 'run npm run docs')
})

test('every setting that works stands in it, with its variable', () => {
  for (const { path, shape, variable } of walkShapes(schema)) {
    if (shape.kind !== 'scalar' || !isInConfig(shape) || !(path in sources)) continue
    assert.ok(page.includes(`| \`${path}\` `), path)
    assert.ok(page.includes(`| \`${variable}\` `), variable)
  }
})

test('every key has a line of doc, every refusal a reason, and our keys no underscore', () => {
  const keys = (shape: Shape): string[] =>
    shape.kind === 'section'
      ? Object.entries<Shape>(shape.keys).flatMap(([key, inner]) => [inner.segment ?? key, ...keys(inner)])
      : []
  for (const key of keys(schema)) assert.match(key, /^[a-z0-9]+$/i)
  for (const { path, shape } of walkShapes(schema)) {
    if (path === '') continue
    assert.notEqual(shape.doc, '', path)
    if (shape.state !== 'works') assert.ok((shape.why ?? '').length > 10, path)
  }
})
