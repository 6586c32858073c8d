/** Every statement of this room is found by reading its source, and SQLite is asked how it would run it. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { MIGRATIONS } from './migrations/migrations.ts'

/** The upsert looks up one name; EXISTS and foreign keys end at the first row. */
const MAY_WALK: ReadonlySet<string> = new Set([
  'create-repository',
  'unused-repositories',
  'forget-repository',
  'forget-repository-deletions',
  'forget-repository-pulls',
  // For the command that checks.
  'compare-counts',
  'fix-counts',
])
/** Those that may look at a whole table: few rows, or a foreign key's check that DO NOTHING never runs. */
const MAY_SCAN: ReadonlySet<string> = new Set([
  'forget-dead-processes',
  'other-processes',
  // One key a month.
  'list-signing-keys',
  'insert-signing-key',
  'forget-signing-keys',
  'create-repository',
  'highest-id', // a row a table
  'create-user',
  'create-access-rule',
  'create-group',
  'create-robot',
  'add-secret',
  'expire-followers-of-deleted',
  'manifests-of-deletion',
  'blobs-of-deletion',
  'links-to-candidates',
  'keep-followers',
  'leased-links-of-deletion',
  'leased-manifests-of-deletion',
  'restore-manifests',
  'relink-blobs-of-restored',
  'damaged-of-restored',
  // Up from a blob, as far as the statement's own bound.
  'affected-by-blob',
  'affected-by-manifest',
  // For the command that checks, in a process of its own.
  'sum-blobs',
  'count-all-blobs',
  'copies-of-manifest',
  // Few, and read only when one of them changed: what they say is kept in memory.
  'all-access-rules',
])
type Found = { file: string; name: string; sql: string }

const FILES = globSync(['*.ts', 'access/**/*.ts'], { cwd: new URL('.', import.meta.url) }).filter(
  (file) => !/(\.test|-fixtures)\.ts$/.test(file),
)
const sourceOf = (file: string): string => readFileSync(new URL(file, import.meta.url), 'utf8')

/** Texts by name: the file's own, or those that files give to each other. */
function constantsOf(source: string, isExported: boolean): [string, string][] {
  const pattern = /^(export )?const (\w+) =\s*(?:'([^']*)'|`([^`]*)`)$/gm
  return [...source.matchAll(pattern)]
    .filter(([, exported]) => !isExported || exported !== undefined)
    .map(([, , name, text, template]) => [name as string, text ?? template ?? ''])
}
const shared = FILES.flatMap((file) => constantsOf(sourceOf(file), true))

function statementsOf(file: string): Found[] {
  const source = sourceOf(file)
  const constants = new Map([...shared, ...constantsOf(source, false)])
  const expand = (sql: string, owner: string): string =>
    sql.replace(/\$\{(\w+)\}/g, (_, constant: string) => {
      const value = constants.get(constant)
      assert.ok(value !== undefined, `${file}: ${constant} of ${owner}`)
      return expand(value, owner)
    })
  const found = [...source.matchAll(/name: '([^']+)',\s*sql:\s*(?:`([^`]*)`|'([^']*)')/g)].map(
    ([, name, template, text]) => ({
      file,
      name: name as string,
      sql: expand(template ?? text ?? '', name as string),
    }),
  )
  assert.equal(found.length, source.split(': Statement = {').length - 1, `${file}: all statements found`)
  return found
}

const statements = FILES.flatMap(statementsOf)

test('statements have names of their own', () => {
  assert.ok(statements.length > 50)
  const names = statements.map(({ name }) => name)
  assert.deepEqual(
    names.filter((name, index) => names.indexOf(name) !== index),
    [],
  )
})

test('no statement reads a whole table or sorts what is stored', () => {
  const db = new DatabaseSync(':memory:')
  for (const migration of MIGRATIONS) db.exec(migration)
  for (const { file, name, sql } of statements) {
    const plan = db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all() as { detail: string }[]
    for (const { detail } of plan) {
      const scans = detail.startsWith('SCAN ') && !/VIRTUAL TABLE|CONSTANT ROW/.test(detail)
      if (scans) assert.ok(MAY_SCAN.has(name), `${file}, ${name}: ${detail}`)
      // A list is made distinct where it is as short as one manifest's references.
      assert.ok(!/TEMP B-TREE FOR (ORDER|GROUP)/.test(detail), `${file}, ${name}: ${detail}`)
      // A key of which only the repository is given is a scan of the repository; the lists are meant to be.
      const walks =
        /\((repository_id|name)=\?\)$/.test(detail) &&
        !/INDEX (repositories_(by_name|imported)|sqlite_autoindex_(users|groups|robots)_1)/.test(detail)
      // So is a partial index that is entered by its repository alone.
      assert.ok(!/held_(manifest|blob)>\?/.test(detail), `${file}, ${name}: ${detail}`)
      if (walks && !MAY_WALK.has(name)) assert.fail(`${file}, ${name}: ${detail}`)
    }
  }
  db.close()
})
