/** Emptying frees what was deleted, keeps what a lease promised, and touches nothing that was not deleted. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pushBlob, repository, sha256 } from '../registry/hosted-fixtures.ts'
import {
  A,
  at,
  by,
  collect,
  DAY,
  drop,
  empty,
  HOUR,
  image,
  index,
  isThere,
  NOTHING_LEFT,
  pass,
  pullWhole,
  query,
  restore,
  retag,
  rowsLeft,
  untag,
  withUndo,
} from './undo-fixtures.ts'

const WEEK = { keepMs: 7 * DAY }

test('emptied: all of it goes at once where nobody holds a lease, and cannot be restored', () =>
  withUndo(async (f) => {
    const child = await image(f, [], ['one'])
    const root = await index(f, ['v'], [child])
    const signature = await image(f, [], ['signed'], root)
    await image(f, [], ['again'], signature)
    const blob = await pushBlob(f, 'a', 'alone')
    await pass(f, 40, 7 * DAY)
    await untag(f, 'v')
    await f.registry.deleteBlob(f.call, A, blob).catch(() => undefined)
    assert.deepEqual(await empty(f), { due: 1, leased: [], isCut: false })
    assert.equal((await restore(f, 1)).kind, 'emptied')
    assert.equal((await retag(f, 'v')).kind, 'gone')
    await collect(f, 7 * DAY)
    assert.deepEqual(await rowsLeft(f), { ...NOTHING_LEFT, candidates: 3 })
    // The time that the deletion had had: the candidates of then, of the root and its referrers, find nothing.
    await pass(f, 7 * 24 + 1, 7 * DAY)
    assert.deepEqual(await rowsLeft(f), NOTHING_LEFT)
    assert.deepEqual(await empty(f), { due: 0, leased: [], isCut: false })
  }, WEEK))

test('a lease holds on: a reader by digest has its day, and the bytes that were just pushed theirs', () =>
  withUndo(async (f) => {
    const child = await image(f, [], ['one'])
    const root = await index(f, ['v'], [child])
    await pass(f, 40, 7 * DAY)
    const begun = f.clock.now()
    await untag(f, 'v')
    // Its time is a week away, so this read finds that it stays for long; emptying must not take that back.
    assert.ok(await isThere(f, by(child)))
    const late = await pushBlob(f, 'a', 'late')
    await f.registry.deleteBlob(f.call, A, late)
    f.clock.advance(HOUR)
    const { due, leased } = await empty(f)
    assert.equal(due, 2)
    assert.deepEqual(leased, [
      { repository: 'a', digest: child, kind: 'manifest', until: begun + 36 * HOUR },
      { repository: 'a', digest: late, kind: 'blob', until: begun + 36 * HOUR },
    ])
    await collect(f, 7 * DAY)
    assert.ok(!(await isThere(f, by(root))))
    assert.ok(await isThere(f, by(child)))
    await pass(f, 22, 7 * DAY)
    // A push of an index over it is as good as it was told to be.
    const next = await index(f, ['next'], [child, child])
    await pass(f, 60, 7 * DAY)
    assert.ok((await pullWhole(f, at('next'))).has(child))
    await drop(f, next)
    await empty(f)
    await pass(f, 40, 7 * DAY)
    assert.deepEqual({ ...(await rowsLeft(f)), candidates: 0 }, NOTHING_LEFT)
  }, WEEK))

test('one deletion, one repository: the others can still be restored', () =>
  withUndo(async (f) => {
    const first = await image(f, ['first'], ['one', 'shared'])
    await image(f, ['second'], ['two', 'shared'])
    const whole = await pullWhole(f, at('second'))
    await untag(f, 'first')
    await drop(f, first)
    await untag(f, 'second')
    assert.equal((await empty(f, { repository: 'b' })).due, 0)
    // The tag's own deletion is given up; the manifest's is not, and it keeps it: nothing is due.
    assert.equal((await empty(f, { deletion: 1 })).due, 0)
    await pass(f, 2, 7 * DAY)
    assert.equal((await restore(f, 1)).kind, 'emptied')
    assert.equal((await restore(f, 2)).kind, 'restored')
    await drop(f, first)
    assert.equal((await empty(f, { deletion: 4 })).due, 1)
    assert.equal((await empty(f, { deletion: 4 })).due, 0)
    await pass(f, 40, 7 * DAY)
    assert.equal((await restore(f, 4)).kind, 'emptied')
    assert.equal((await restore(f, 3)).kind, 'restored')
    assert.deepEqual(await pullWhole(f, at('second')), whole)
    assert.deepEqual(await query(f, 'SELECT count(*) AS n FROM manifests'), [{ n: 1 }])
  }, WEEK))

test('what an emptied index shares stays for the other one, and goes with it', () =>
  withUndo(async (f) => {
    const shared = await image(f, [], ['shared'])
    const attested = await image(f, [], ['attested'], shared)
    const first = await index(f, ['first'], [shared])
    const second = await index(f, ['second'], [shared, shared])
    await pass(f, 40, 7 * DAY)
    const whole = await pullWhole(f, at('second'))
    await drop(f, first)
    await drop(f, second)
    await empty(f, { deletion: 1 })
    await pass(f, 40, 7 * DAY)
    assert.equal((await restore(f, 2)).kind, 'restored')
    assert.deepEqual(await pullWhole(f, at('second')), whole)
    await untag(f, 'second')
    await pass(f, 40, 7 * DAY)
    await empty(f)
    await collect(f, 7 * DAY)
    assert.ok(!(await isThere(f, by(attested))))
    assert.deepEqual({ ...(await rowsLeft(f)), candidates: 0 }, NOTHING_LEFT)
  }, WEEK))

test('a blob that was pushed and deleted again after the deletion that is emptied is not due', () =>
  withUndo(async (f) => {
    const blob = await pushBlob(f, 'a', 'twice')
    await f.registry.deleteBlob(f.call, A, blob)
    await pushBlob(f, 'a', 'twice')
    await f.registry.deleteBlob(f.call, A, blob)
    await empty(f, { deletion: 1 })
    await pass(f, 50, 7 * DAY)
    assert.equal((await restore(f, 2)).kind, 'restored')
    assert.equal((await f.registry.statBlob(f.call, A, sha256('twice'))).size, 5)
  }, WEEK))

test('a manifest that was read by its digest stays for its reader, and still nobody can restore it', () =>
  withUndo(async (f) => {
    const digest = await image(f, ['v'], ['one'])
    await pass(f, 40, 7 * DAY)
    await untag(f, 'v')
    assert.ok(await isThere(f, by(digest)))
    const { leased } = await empty(f)
    assert.deepEqual(leased, [
      { repository: 'a', digest, kind: 'manifest', until: f.clock.now() + 36 * HOUR },
    ])
    await pass(f, 23, 7 * DAY)
    assert.equal((await restore(f, 1)).kind, 'emptied')
    assert.equal((await retag(f, 'v')).kind, 'gone')
    const next = await index(f, ['next'], [digest])
    await pass(f, 60, 7 * DAY)
    assert.ok((await pullWhole(f, at('next'))).has(digest) && (await isThere(f, by(next))))
  }, WEEK))

test('what is deleted anew after the trash was emptied can be restored anew, also what only follows', () =>
  withUndo(async (f) => {
    const child = await image(f, ['c'], ['one'])
    await image(f, ['c'], ['two'])
    const root = await index(f, ['v'], [child])
    await untag(f, 'v')
    assert.ok(await isThere(f, by(root)))
    await empty(f)
    await drop(f, root)
    assert.equal((await retag(f, 'c', child)).kind, 'restored')
    assert.equal((await restore(f, 2)).kind, 'restored')
  }, WEEK))

test('both indexes over a child emptied: it goes with them; a signature whose own tag was deleted has its own time', () =>
  withUndo(async (f) => {
    const child = await image(f, [], ['one'])
    const first = await index(f, ['first'], [child])
    const second = await index(f, ['second'], [child, child])
    const subject = await image(f, ['subject'], ['two'])
    const signature = await image(f, ['signature'], ['signed'], subject)
    await pass(f, 40, 7 * DAY)
    for (const digest of [first, second, subject]) await drop(f, digest)
    await untag(f, 'signature')
    for (const deletion of [1, 2, 3]) assert.equal((await empty(f, { deletion })).due, 1)
    await collect(f, 7 * DAY)
    assert.deepEqual(await query(f, 'SELECT count(*) AS n FROM manifests'), [{ n: 1 }])
    await pass(f, 40, 7 * DAY)
    assert.equal((await restore(f, 4)).kind, 'restored')
    assert.ok((await pullWhole(f, at('signature'))).has(signature))
  }, WEEK))

test('a short keep does not cut a promise that was given before', () =>
  withUndo(
    async (f) => {
      const digest = await image(f, ['v'], ['one'])
      await untag(f, 'v')
      assert.ok(await isThere(f, by(digest)))
      await image(f, ['v'], ['one'])
      await untag(f, 'v')
      await pass(f, 23, HOUR)
      assert.ok((await pullWhole(f, by(digest))).has(digest))
    },
    { keepMs: HOUR },
  ))

test('pages: more deletions than one page, each once, and only those of the repository', () =>
  withUndo(async (f) => {
    for (let number = 0; number < 600; number++) {
      const blob = await pushBlob(f, number % 2 ? 'a' : 'b', `${number}`)
      await f.registry.deleteBlob(f.call, repository(number % 2 ? 'a' : 'b'), blob)
    }
    const { due, leased } = await empty(f, { repository: 'b' })
    assert.deepEqual([due, leased.length], [300, 300])
    assert.equal((await empty(f)).due, 300)
    assert.deepEqual(await query(f, 'SELECT count(*) AS n FROM deletions WHERE emptied_at IS NULL'), [
      { n: 0 },
    ])
  }))
