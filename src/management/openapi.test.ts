/** The document against the rules of OpenAPI 3.1 and of JSON Schema 2020-12, as far as they concern what it uses. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { contract } from './contract.ts'
import type { AnyRoute } from './contract-route.ts'
import type { Json } from './management.fixture.ts'
import { openapi } from './openapi.ts'

const document: Json = openapi({ version: '1.2.3', prefix: '/hub/' })

/** Every object in it, with where it stands. */
function* each(value: Json, at = '#'): Generator<[string, Json]> {
  if (typeof value !== 'object' || value === null) return
  yield [at, value]
  for (const [key, inner] of Object.entries(value))
    yield* each(inner, `${at}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`)
}

const only = (value: Json, keys: readonly string[], at: string): void => {
  for (const key of Object.keys(value)) assert.ok(keys.includes(key), `${at}: ${key} is not allowed here`)
}

test('the document has what OpenAPI 3.1 asks for, and nothing that it does not know', () => {
  assert.match(document.openapi, /^3\.1\.\d+$/)
  only(document, ['openapi', 'info', 'jsonSchemaDialect', 'servers', 'paths', 'components'], '#')
  assert.ok(document.info.title)
  assert.equal(document.info.version, '1.2.3')
  assert.deepEqual(document.servers, [{ url: '/hub/api/v1' }])
  for (const key of Object.keys(document.components.schemas)) assert.match(key, /^[a-zA-Z0-9._-]+$/)
  for (const scheme of Object.values<Json>(document.components.securitySchemes))
    assert.ok(['apiKey', 'http', 'mutualTLS', 'oauth2', 'openIdConnect'].includes(scheme.type))
})

test('every route of the contract is an operation, and nothing else is', () => {
  const ids: string[] = []
  for (const [path, item] of Object.entries<Json>(document.paths)) {
    assert.ok(path.startsWith('/'))
    only(item, ['get', 'put', 'post', 'delete', 'patch'], path)
    for (const operation of Object.values<Json>(item)) ids.push(operation.operationId)
  }
  assert.deepEqual(ids.toSorted(), Object.keys(contract).toSorted())
  assert.equal(new Set(ids).size, ids.length)
})

test('operations: parameters of the path are all there and required, answers are described', () => {
  for (const [name, { method, path, status, body }] of Object.entries<AnyRoute>(contract)) {
    const operation = document.paths[path][method.toLowerCase()]
    only(
      operation,
      ['operationId', 'summary', 'description', 'security', 'parameters', 'requestBody', 'responses'],
      name,
    )
    const parameters: Json[] = operation.parameters ?? []
    const inPath = parameters.filter((one) => one.in === 'path').map((one) => one.name)
    assert.deepEqual(
      inPath,
      [...path.matchAll(/\{(\w+)\}/g)].map(([, key]) => key),
      name,
    )
    for (const parameter of parameters) {
      only(parameter, ['name', 'in', 'required', 'description', 'schema'], name)
      assert.ok(['path', 'query', 'header'].includes(parameter.in))
      if (parameter.in === 'path') assert.equal(parameter.required, true, `${name} ${parameter.name}`)
      assert.equal(typeof parameter.schema, 'object')
    }
    assert.equal(new Set(parameters.map((one) => `${one.in} ${one.name}`)).size, parameters.length)
    assert.equal(operation.requestBody !== undefined, body !== undefined, name)
    assert.ok(operation.responses[status], name)
    assert.ok(operation.responses.default, name)
    for (const one of Object.values<Json>(operation.responses)) assert.ok(one.description ?? one.$ref, name)
    for (const requirement of operation.security)
      for (const scheme of Object.keys(requirement))
        assert.ok(document.components.securitySchemes[scheme], scheme)
  }
})

test('every reference leads somewhere, and no schema has a word that JSON Schema does not know', () => {
  const words = new Set(
    (
      '$ref type enum const properties required additionalProperties propertyNames items anyOf allOf oneOf not format ' +
      'pattern minLength maxLength minimum maximum exclusiveMinimum exclusiveMaximum minItems maxItems description default title'
    ).split(' '),
  )
  const types = ['string', 'number', 'integer', 'boolean', 'object', 'array', 'null']
  let references = 0
  for (const [at, value] of each(document)) {
    if (typeof value.$ref === 'string') {
      references++
      const target = value.$ref
        .slice(2)
        .split('/')
        .reduce((inner: Json, key: string) => inner?.[key], document)
      assert.ok(target, `${at}: ${value.$ref}`)
    }
    const isSchema =
      /\/(schema|items|additionalProperties|propertyNames)$|\/properties\/[^/]+$|\/schemas\/[^/]+$|\/anyOf\/\d+$/
    if (!isSchema.test(at) || Array.isArray(value)) continue
    for (const key of Object.keys(value)) assert.ok(words.has(key), `${at}: ${key}`)
    for (const type of [value.type ?? 'string'].flat()) assert.ok(types.includes(type), `${at}: ${type}`)
    if (value.pattern !== undefined) assert.doesNotThrow(() => new RegExp(value.pattern, 'u'), at)
    for (const key of value.required ?? [])
      assert.ok(value.properties[key], `${at}: required ${key} is no property`)
  }
  assert.ok(references > 60)
})

test('what is sent may have no other fields, what is answered may have more one day', () => {
  const { schema } = document.paths['/users'].post.requestBody.content['application/json']
  assert.equal(schema.additionalProperties, false)
  assert.equal(document.components.schemas.User.additionalProperties, undefined)
  assert.equal(document.components.schemas.Scope.additionalProperties, false)
})
