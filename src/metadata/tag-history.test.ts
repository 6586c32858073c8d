/** What the history says, literally, and a tag pointed back along it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NOW } from './metadata-fixtures.ts'
import { repository, tag } from '../registry/hosted-fixtures.ts'
import { repositoryHistory, restoreTag, tagHistory, type TagMove } from './tag-history.ts'
import {
  A,
  at,
  DAY,
  HOUR,
  image,
  index,
  pass,
  pullWhole,
  query,
  restorer,
  retag,
  withUndo,
} from './undo-fixtures.ts'

const short = ({ tag: name, seq, at: when, from, to, cause, deletion }: TagMove) => ({
  tag: name,
  seq,
  hours: (when - NOW) / HOUR,
  from: from && `${from.digest.slice(7, 11)} ${from.kind}`,
  to: to && `${to.digest.slice(7, 11)} ${to.kind}`,
  cause,
  deletion,
})

test('a tag that is pushed, moved, deleted, restored and moved back: who, when, from where to where', () =>
  withUndo(async (f) => {
    const one = await image(f, ['v'], ['one'])
    f.clock.advance(HOUR)
    const two = await image(f, ['v', 'w'], ['two'])
    f.clock.advance(HOUR)
    await f.registry.deleteTag(f.call, A, tag('v'))
    f.clock.advance(HOUR)
    const back = await retag(f, 'v')
    assert.deepEqual(back, { kind: 'restored', digest: two, manifests: [], blobs: [], damaged: [] })
    f.clock.advance(HOUR)
    assert.deepEqual(await retag(f, 'v', one), {
      kind: 'restored',
      digest: one,
      from: two,
      manifests: [],
      blobs: [],
      damaged: [],
    })
    assert.equal((await retag(f, 'v', one)).kind, 'unchanged')
    assert.ok((await pullWhole(f, at('v'))).has(one))
    const now = f.clock.now()
    const moves = await tagHistory(f.metadata.db, 'a', tag('v'), { limit: 10, now })
    const [a, b] = [one.slice(7, 11), two.slice(7, 11)]
    const here = (name: string) => `${name} here`
    assert.deepEqual(moves.map(short), [
      { tag: 'v', seq: 5, hours: 4, from: here(b), to: here(a), cause: 'restore', deletion: undefined },
      { tag: 'v', seq: 4, hours: 3, from: undefined, to: here(b), cause: 'restore', deletion: undefined },
      { tag: 'v', seq: 3, hours: 2, from: here(b), to: undefined, cause: 'push', deletion: 1 },
      { tag: 'v', seq: 2, hours: 1, from: here(a), to: here(b), cause: 'push', deletion: undefined },
      { tag: 'v', seq: 1, hours: 0, from: undefined, to: here(a), cause: 'push', deletion: undefined },
    ])
    const { principalName, client, size, mediaType } = moves[0] as TagMove
    assert.deepEqual(
      [principalName, client, size, mediaType],
      ['root (command line)', 'berth trash restore', 362, 'application/vnd.oci.image.manifest.v1+json'],
    )
    assert.deepEqual(await query(f, 'SELECT restored_at IS NOT NULL AS restored FROM deletions'), [
      { restored: 1 },
    ])
    const older = await tagHistory(f.metadata.db, 'a', tag('v'), { limit: 2, now, before: 3 })
    assert.deepEqual(
      older.map(({ seq }) => seq),
      [2, 1],
    )
  }))

test('the history of a repository in pages, newest first, and what became of each digest', () =>
  withUndo(async (f) => {
    const one = await image(f, ['a', 'b', 'c'], ['one'])
    await f.registry.deleteManifest(f.call, A, one)
    await pass(f, 30)
    const two = await image(f, ['b'], ['two'])
    await f.registry.deleteTag(f.call, A, tag('b'))
    const read: string[] = []
    let after
    const now = f.clock.now()
    do {
      const page = await repositoryHistory(f.metadata.db, 'a', { limit: 3, now, after })
      read.push(...page.moves.map(({ tag: name, from, to }) => `${name} ${from?.kind} ${to?.kind}`))
      after = page.next
    } while (after !== undefined)
    assert.deepEqual(read.slice(0, 2), ['b trash undefined', 'b undefined trash'])
    assert.deepEqual(
      read.slice(2).sort(),
      [
        ...['a', 'b', 'c']
          .map((name) => `${name} gone undefined`)
          .flatMap((line) => [line, line.replace(/gone.*/, 'undefined gone')]),
      ].sort(),
    )
    const [newest] = await tagHistory(f.metadata.db, 'a', tag('b'), { limit: 1, now })
    assert.deepEqual(newest?.from, { digest: two, kind: 'trash', until: now + DAY })
    assert.deepEqual(await tagHistory(f.metadata.db, 'b', tag('b'), { limit: 1, now }), [])
    assert.equal((await retag(f, 'a')).kind, 'gone')
    assert.equal((await retag(f, 'b')).kind, 'restored')
  }))

test('refusals: no such tag, nothing before, a digest that was never there', () =>
  withUndo(async (f) => {
    const one = await image(f, ['v'], ['one'])
    const other = await image(f, ['other'], ['two'])
    assert.equal((await retag(f, 'none')).kind, 'unknown')
    assert.equal(
      (await restoreTag(f.metadata.db, repository('b'), tag('v'), undefined, restorer(f))).kind,
      'unknown',
    )
    assert.equal((await retag(f, 'v')).kind, 'nothing-before')
    assert.equal((await retag(f, 'v', other)).kind, 'not-in-history')
    assert.equal((await retag(f, 'v', one)).kind, 'unchanged')
  }))

test('a tag back at an index in the trash brings it whole, and other tags of it stay away', () =>
  withUndo(async (f) => {
    const child = await image(f, [], ['one'])
    const root = await index(f, ['v', 'w'], [child])
    const whole = await pullWhole(f, at('v'))
    await f.registry.deleteManifest(f.call, A, root)
    await image(f, ['v'], ['two'])
    await pass(f, 20)
    const outcome = await retag(f, 'v', root)
    assert.ok(outcome.kind === 'restored' && outcome.manifests.length === 2)
    assert.deepEqual(await pullWhole(f, at('v')), whole)
    assert.deepEqual((await f.registry.listTags(f.call, A, { limit: 10 })).names, ['v'])
    await pass(f, 60)
    assert.deepEqual(await pullWhole(f, at('v')), whole)
    // Undo of the undo.
    assert.equal((await retag(f, 'v')).kind, 'restored')
    assert.equal((await pullWhole(f, at('v'))).size, 3)
  }))

test('moves that were taken over count as any other', () =>
  withUndo(async (f) => {
    const one = await image(f, ['x'], ['one'])
    const two = await image(f, ['v'], ['two'])
    await f.metadata.db.write({
      steps: [
        {
          statement: {
            name: 'imported',
            sql: `UPDATE tag_moves SET cause = 'import', from_digest = (SELECT digest FROM tags WHERE name = 'x') WHERE name = 'v'`,
          },
        },
      ],
      params: {},
      touches: [],
    })
    const outcome = await retag(f, 'v')
    assert.ok(outcome.kind === 'restored' && outcome.digest === one && outcome.from === two)
  }))
