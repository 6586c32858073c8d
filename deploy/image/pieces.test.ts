/** Small rules of the build, as tables. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseUris } from './apt.ts'
import { isWanted, mergedPath } from './base-filter.ts'
import { licencesOf, packageOf } from './licences.ts'
import { BuildError, run } from './run.ts'

test('what of a package goes into the image, and where', () => {
  const cases: [string, string | undefined][] = [
    ['lib/x86_64-linux-gnu/libc.so.6', 'usr/lib/x86_64-linux-gnu/libc.so.6'],
    ['usr/lib/aarch64-linux-gnu/libstdc++.so.6.0.30', 'usr/lib/aarch64-linux-gnu/libstdc++.so.6.0.30'],
    ['lib64/ld-linux-x86-64.so.2', 'usr/lib64/ld-linux-x86-64.so.2'],
    ['lib/ld-linux-aarch64.so.1', 'usr/lib/ld-linux-aarch64.so.1'],
    ['usr/share/zoneinfo/Europe/Vienna', 'usr/share/zoneinfo/Europe/Vienna'],
    ['usr/share/doc/libc6/copyright', 'usr/share/doc/libc6/copyright'],
    ['etc/services', 'etc/services'],
    ['usr/share/doc/libc6/changelog.Debian.gz', undefined],
    ['usr/share/zoneinfo/right/UTC', undefined],
    ['usr/share/man/man5/hosts.5.gz', undefined],
    ['usr/lib/x86_64-linux-gnu/gconv/UTF-16.so', undefined],
    ['lib/x86_64-linux-gnu/libthread_db.so.1', undefined],
    ['usr/sbin/update-ca-certificates', undefined],
    ['bin/sh', undefined],
    ['var/run', undefined],
  ]
  for (const [path, place] of cases) assert.equal(isWanted(path) ? mergedPath(path) : undefined, place, path)
  assert.equal(mergedPath('lib'), 'lib')
})

test('what apt says it would fetch', () => {
  const sum = 'ab'.repeat(32)
  const said = `'http://mirror.test/libc6_2.36_amd64.deb' libc6_2.36_amd64.deb 123 SHA256:${sum}\nE: something else\n`
  assert.deepEqual(parseUris(said), [{ file: 'libc6_2.36_amd64.deb', sha256: sum }])
})

test('the package that a file is of, and its licence', () => {
  assert.equal(packageOf('node_modules/yaml/dist/index.js'), 'node_modules/yaml')
  assert.equal(packageOf('node_modules/a/node_modules/@b/c/d.js'), 'node_modules/a/node_modules/@b/c')
  assert.throws(() => packageOf('src/main.ts'), /is in no package/)
  const text = licencesOf(process.cwd(), ['node_modules/yaml/dist/index.js', 'node_modules/zod/index.js'])
  assert.match(
    text,
    /^yaml \d[^\n]*\n\n-+\n\nCopyright [^]*\n\nzod \d[^\n]*MIT[^]*Permission is hereby granted/,
  )
})

test('a program that is missing, and one that fails', async () => {
  const says = (pattern: RegExp) => (error: unknown) =>
    error instanceof BuildError && pattern.test(error.message)
  const nowhere = { env: { PATH: '/nowhere' } }
  await assert.rejects(
    run('dpkg-deb', [], nowhere),
    says(/^dpkg-deb is not on this machine: install Debian's package dpkg/),
  )
  await assert.rejects(
    run('true-or-not', [], nowhere),
    says(/^true-or-not is not on this machine: install it$/),
  )
  await assert.rejects(run(process.execPath, ['-e', 'throw "a reason"']), says(/failed: [^]*a reason/))
  assert.equal((await run(process.execPath, ['-p', '1'])).toString(), '1\n')
})
