import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import fc from 'fast-check'
import { temporaryFolder } from '../../test/lib/temporary.ts'
import { isRepositoryName, type RepositoryName } from '../oci/reference.ts'
import type { Finding } from './found.ts'
import { findRepositoryFolder, walkRepositories } from './repositories.ts'
import { asAnybody, createDistributionFolder, type DistributionFolder } from './takeover-fixtures.ts'

function folderFor(t: TestContext): DistributionFolder {
  return createDistributionFolder(temporaryFolder(t, 'takeover'))
}

function make(folder: DistributionFolder, names: readonly string[], part = '_manifests'): void {
  for (const name of names) mkdirSync(join(folder.v2, 'repositories', name, part), { recursive: true })
}

async function walk(
  { root }: { root: string },
  after?: string,
): Promise<{ names: string[]; findings: Finding[] }> {
  const names: string[] = []
  const findings: Finding[] = []
  for await (const { name } of walkRepositories(root, after, (finding) => findings.push(finding)))
    names.push(name)
  return { names, findings }
}

const ORDER = ['a', 'a-b', 'a-b/c', 'a.b', 'a/b', 'a/b-c', 'a/b/c', 'a0', 'a_b', 'b/c/d/e', 'b0']

test('byte order, with repositories in repositories', async (t) => {
  const folder = folderFor(t)
  make(folder, [...ORDER].reverse())
  const { names, findings } = await walk(folder)
  assert.deepEqual([names, findings], [ORDER, []])
  assert.deepEqual(ORDER, [...ORDER].sort())
})

test('the walk begins after any name, whether it is there or not', async (t) => {
  const folder = folderFor(t)
  make(folder, ORDER)
  for (const after of [...ORDER, 'a/', 'a/b/', 'a1', 'b/c', 'b/c/d/e/f', '', 'zzz', '_', 'A']) {
    assert.deepEqual(
      (await walk(folder, after)).names,
      ORDER.filter((name) => name > after),
      after,
    )
  }
})

test('any names, from anywhere: as sorting them all', async (t) => {
  const root = temporaryFolder(t, 'takeover')
  let count = 0
  const component = fc.constantFrom('a', 'b', 'a-b', 'a.b', 'a_b', 'a0', 'a--b', 'a__b', '0', 'a-0')
  const name = fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'))
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(name, { maxLength: 12 }), name, async (names, after) => {
      const folder = createDistributionFolder(join(root, String(count++)))
      make(folder, names)
      const expected = names.filter((one) => one > after).sort()
      assert.deepEqual((await walk(folder, after)).names, expected)
    }),
    { numRuns: 60 },
  )
})

test('published is what Distribution 3 lists; 2.x also lists what has layers', async (t) => {
  const folder = folderFor(t)
  make(folder, ['a', 'b'])
  make(folder, ['b', 'c'], '_layers')
  make(folder, ['d'], '_uploads')
  make(folder, ['e'], 'f')
  const found = await Array.fromAsync(walkRepositories(folder.root))
  assert.deepEqual(found, [
    { name: 'a', published: true },
    { name: 'b', published: true },
    { name: 'c', published: false },
    { name: 'd', published: false },
  ])
  for (const one of found) assert.deepEqual(await findRepositoryFolder(folder.root, one.name), one)
  for (const name of ['e', 'e/f', 'nothing', 'a/b'] as RepositoryName[]) {
    assert.equal(await findRepositoryFolder(folder.root, name), undefined, name)
  }
})

test('only what a page needs is read', async (t) => {
  const folder = folderFor(t)
  const names = Array.from({ length: 50 }, (_, index) => `r${10 + index}/x`)
  make(folder, names)
  let read = 0
  const count = await Array.fromAsync(walkRepositories(folder.root, 'r30/x', () => read++))
  assert.equal(count.length, 29)
  // A file where it is read is told: only in folders that the page needs.
  for (const name of names) folder.write(`repositories/${name.split('/')[0]}/file`, '')
  const page = walkRepositories(folder.root, 'r30/x', () => read++)
  for (let index = 0; index < 3; index++) await page.next()
  await page.return(undefined)
  assert.ok(read <= 4, `${read} folders were read for 3 names`)
})

test('what is no repository is told and left out', async (t) => {
  const folder = folderFor(t)
  make(folder, ['a', 'Upper/app', 'Upper/app/Inner', 'bad--', 'ok/UPPER', 'lost+found-ish'])
  make(folder, ['lost+found', 'a/_other', 'a/no'], 'x')
  folder.write('repositories/.DS_Store', '')
  folder.write('repositories/a/file', '')
  const { names, findings } = await walk(folder)
  assert.deepEqual(names, ['a'])
  assert.deepEqual(
    findings.map(({ kind, repository, detail }) => `${kind} ${repository}: ${detail.split(':')[0]}`).sort(),
    [
      'invalid-name Upper/app/Inner: no client can name this repository',
      'invalid-name Upper/app: no client can name this repository',
      'invalid-name bad--: no client can name this repository',
      'invalid-name lost+found-ish: no client can name this repository',
      'invalid-name ok/UPPER: no client can name this repository',
      'unknown-file : docker/registry/v2/repositories/.DS_Store',
      'unknown-file : docker/registry/v2/repositories/lost+found',
      'unknown-file a: docker/registry/v2/repositories/a/_other',
      'unknown-file a: docker/registry/v2/repositories/a/file',
    ],
  )
  assert.match(findings.find(({ kind }) => kind === 'invalid-name')?.detail ?? '', /rename its folder below/)
})

test('a name that is too long', async (t) => {
  const folder = folderFor(t)
  const most = Array.from({ length: 128 }, () => 'a').join('/')
  assert.ok(isRepositoryName(most))
  make(folder, [most, `${most}/b`])
  const { names, findings } = await walk(folder)
  assert.deepEqual(names, [most])
  assert.deepEqual(
    findings.map(({ kind }) => kind),
    ['invalid-name'],
  )
  assert.match(findings[0]?.detail ?? '', /more than 255 characters/)
})

test('symbolic links are followed, but not in circles', async (t) => {
  const folder = folderFor(t)
  const elsewhere = temporaryFolder(t, 'elsewhere')
  mkdirSync(join(elsewhere, 'app', '_manifests'), { recursive: true })
  make(folder, ['a/b'])
  const at = (path: string) => join(folder.v2, 'repositories', path)
  symlinkSync(elsewhere, at('linked'))
  make(folder, ['a/UPPER'])
  symlinkSync('UPPER', at('a/upper'))
  symlinkSync('..', at('a/up'))
  symlinkSync('.', at('a/self'))
  symlinkSync('two', at('one'))
  symlinkSync('one', at('two'))
  symlinkSync('nowhere', at('dangling'))
  const { names, findings } = await walk(folder)
  assert.deepEqual(names, ['a/b', 'a/upper', 'linked/app'])
  for (const name of names as RepositoryName[]) {
    assert.deepEqual(await findRepositoryFolder(folder.root, name), { name, published: true })
  }
  const told = findings.map(({ repository, detail }) => `${repository}: ${detail.split(':')[0]}`)
  assert.ok(told.includes('a/up: a symbolic link that leads back to where it stands'), told.join('\n'))
  assert.ok(told.includes('a/self: a symbolic link that leads back to where it stands'), told.join('\n'))
  assert.ok(told.includes('one: symbolic links in a circle'), told.join('\n'))
})

test(
  'a folder that may not be read is told, and the rest is walked',
  { skip: cannotBeRefused() },
  async (t) => {
    const folder = folderFor(t)
    make(folder, ['a', 'b/c', 'd'])
    chmodSync(folder.root, 0o755)
    chmodSync(join(folder.v2, 'repositories/b'), 0)
    await asAnybody(async () => {
      const { names, findings } = await walk(folder)
      assert.deepEqual(names, ['a', 'd'])
      assert.deepEqual(
        findings.map(({ kind, repository }) => [kind, repository]),
        [['not-readable', 'b']],
      )
      await assert.rejects(findRepositoryFolder(folder.root, 'b/c' as RepositoryName), { code: 'EACCES' })
    })
  },
)

test('no folder, an empty one, and a file in its place', async (t) => {
  const root = temporaryFolder(t, 'takeover')
  assert.deepEqual(await walk({ root }), { names: [], findings: [] })
  const folder = createDistributionFolder(join(root, 'one'))
  assert.deepEqual(await walk(folder), { names: [], findings: [] })
  folder.remove('repositories')
  folder.write('repositories', 'x')
  assert.deepEqual(await walk(folder), { names: [], findings: [] })
  assert.deepEqual(readdirSync(folder.v2), ['blobs', 'repositories'])
})

function cannotBeRefused(): string | false {
  return process.seteuid === undefined && 'SKIPPED: needs users'
}
