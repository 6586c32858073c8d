import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { recordingLog } from '../../test/lib/recording-log.ts'
import { temporaryFolder } from '../../test/lib/temporary.ts'
import { createHtpasswdSource } from './htpasswd.ts'
import type { Account, Attempt } from './identity.ts'
import { createPasswordHasher } from './passwords/create-hasher.ts'

/** `htpasswd -nbB -C 4`: of `old password` and of `new password`. */
const OLD = '$2y$04$GZmGyn287kJVeHa9RYonUulwo6xjS51nh2Njtqp6vUHVp2CxcKaEa'
const NEW = '$2y$04$Hs6GovDte7WsvjDhq.FMYeyjJZ4BM0hMjjMkLD8kSZXJaKB3DikjK'

const attempt = (name: string, password: string): Attempt => ({ name, password, address: '192.0.2.1' })

function setUp(t: TestContext, text: string | null = `alice:${OLD}\nbob:${OLD}\nmd5:$apr1$abc$def\n`) {
  const folder = temporaryFolder(t, 'htpasswd')
  const path = join(folder, 'auth', 'htpasswd')
  const log = recordingLog()
  const hasher = createPasswordHasher({ log, hasUsers: false, threads: 1 })
  t.after(() => hasher.close())
  const clock = { time: Date.now(), now: () => clock.time }
  const created: { name: string; password: string }[] = []
  if (text !== null) {
    mkdirSync(dirname(path))
    writeFileSync(path, text)
  }
  const open = () =>
    createHtpasswdSource({ path, hasher, log, clock, onCreated: (first) => created.push(first) })
  /** More than the time for which the file is trusted. */
  const wait = (): void => void (clock.time += 1001)
  return { folder, path, log, hasher, clock, created, open, wait }
}

const nameOf = (answer: Account | string | undefined): string | undefined =>
  typeof answer === 'object' ? answer.principal.id : answer

test('names and passwords of the file, and nobody else', async (t) => {
  const { open } = setUp(t)
  const source = await open()
  const table: [string, string, string][] = [
    ['alice', 'old password', 'htpasswd:alice'],
    ['alice', 'new password', 'wrong'],
    ['alice', '', 'wrong'],
    ['Alice', 'old password', 'unknown'],
    ['alice ', 'old password', 'unknown'],
    ['carol', 'old password', 'unknown'],
    ['', '', 'unknown'],
    ['__proto__', 'old password', 'unknown'],
    // The file has the name, so no other source is asked; but nobody can sign in with it.
    ['md5', 'anything', 'wrong'],
  ]
  for (const [name, password, expected] of table)
    assert.equal(nameOf(await source.verify(attempt(name, password))), expected, name)
  const alice = await source.find('htpasswd:alice')
  assert.deepEqual(alice?.principal, {
    id: 'htpasswd:alice',
    name: 'alice',
    kind: 'user',
    groups: [],
    claims: [],
    isAdmin: false,
    grants: [],
  })
  for (const id of ['htpasswd:carol', 'htpasswd:md5', 'ldap:alice', 'htpasswd:', 'alice'])
    assert.equal(await source.find(id), undefined, id)
})

test('a changed file is in force, however it was changed, and what it said before is not', async (t) => {
  const { open, path, folder, wait } = setUp(t)
  const source = await open()
  const changes: (() => void)[] = [
    () => writeFileSync(path, `alice:${NEW}\n`),
    () => {
      writeFileSync(join(folder, 'next'), `bob:${OLD}\nalice:${OLD}\n`)
      renameSync(join(folder, 'next'), path)
    },
    () => writeFileSync(path, `bob:${OLD}\nalice:${NEW}\n`),
  ]
  let stamp = (await source.find('htpasswd:alice'))?.stamp
  let [right, wrong] = ['old password', 'new password']
  for (const change of changes) {
    assert.equal(nameOf(await source.verify(attempt('alice', right))), 'htpasswd:alice')
    assert.equal(await source.verify(attempt('alice', wrong)), 'wrong')
    change()
    wait()
    ;[right, wrong] = [wrong, right]
    const account = await source.find('htpasswd:alice')
    assert.notEqual(account?.stamp, stamp)
    stamp = account?.stamp
  }
  assert.equal(nameOf(await source.verify(attempt('alice', right))), 'htpasswd:alice')
  // Somebody who is left alone keeps the stamp; somebody who is taken out is gone.
  const bob = (await source.find('htpasswd:bob'))?.stamp
  writeFileSync(path, `bob:${OLD}\n`)
  wait()
  assert.equal(await source.find('htpasswd:alice'), undefined)
  assert.equal((await source.find('htpasswd:bob'))?.stamp, bob)
})

test('a change within the same step of time, of the same size, is seen too', async (t) => {
  const { open, path, wait } = setUp(t, `alice:${OLD}\n`)
  const source = await open()
  const { mtime } = statSync(path)
  writeFileSync(path, `alice:${NEW}\n`)
  execFileSync('touch', ['-d', mtime.toISOString(), '-c', path])
  wait()
  assert.equal(nameOf(await source.verify(attempt('alice', 'new password'))), 'htpasswd:alice')
})

test('the file is looked at once a second at most, and without waiting in between', async (t) => {
  const { open, path, clock } = setUp(t)
  const source = await open()
  writeFileSync(path, `carol:${OLD}\n`)
  clock.time += 999
  const account = source.find('htpasswd:alice')
  assert.ok(account !== undefined && !(account instanceof Promise))
  clock.time += 1
  const [alice, carol] = [source.find('htpasswd:alice'), source.find('htpasswd:carol')]
  assert.ok(alice instanceof Promise)
  assert.deepEqual([await alice, nameOf(await carol)], [undefined, 'htpasswd:carol'])
  // A clock that is put back makes nothing last.
  writeFileSync(path, `alice:${OLD}\n`)
  clock.time -= 3_600_000
  assert.equal(nameOf(await source.find('htpasswd:alice')), 'htpasswd:alice')
})

test('a Secret of Kubernetes: the link on the way to the file is turned', async (t) => {
  const { open, path, wait } = setUp(t, null)
  const mount = dirname(path)
  const put = (version: string, text: string): void => {
    mkdirSync(join(mount, version), { recursive: true })
    writeFileSync(join(mount, version, 'htpasswd'), text)
    symlinkSync(version, join(mount, '..data_tmp'))
    renameSync(join(mount, '..data_tmp'), join(mount, '..data'))
  }
  put('..2026_01', `alice:${OLD}\n`)
  symlinkSync('..data/htpasswd', path)
  const source = await open()
  assert.equal(nameOf(await source.verify(attempt('alice', 'old password'))), 'htpasswd:alice')
  put('..2026_02', `alice:${NEW}\n`)
  rmSync(join(mount, '..2026_01'), { recursive: true })
  wait()
  assert.equal(await source.verify(attempt('alice', 'old password')), 'wrong')
  assert.equal(nameOf(await source.verify(attempt('alice', 'new password'))), 'htpasswd:alice')
})

test('a file that is gone or cannot be read lets nobody in and says so once', async (t) => {
  const { open, path, log, wait } = setUp(t)
  const source = await open()
  const breaks: [string, () => void][] = [
    ['there is no such file', () => undefined],
    [
      'it is a folder; engines make one where the file of a -v is not there on the host',
      () => mkdirSync(path),
    ],
    ['it is larger than 4 MiB', () => writeFileSync(path, Buffer.alloc(4 * 1024 * 1024 + 1, '\n'))],
  ]
  for (const [reason, damage] of breaks) {
    rmSync(path, { recursive: true, force: true })
    damage()
    log.lines.length = 0
    for (let turn = 0; turn < 3; turn++) {
      wait()
      await assert.rejects(source.verify(attempt('alice', 'old password')), {
        code: 'UNAVAILABLE',
        status: 503,
      })
      await assert.rejects(async () => await source.find('htpasswd:alice'), { code: 'UNAVAILABLE' })
    }
    assert.equal(log.lines.length, 1, log.lines.join('\n'))
    assert.match(log.lines[0] ?? '', new RegExp(`^error the htpasswd file cannot be read.*${reason}`))
    // The client is not told where it lies.
    const error = await source.verify(attempt('alice', 'x')).catch((thrown: unknown) => thrown)
    assert.ok(!String(error).includes(path))
    rmSync(path, { recursive: true, force: true })
    writeFileSync(path, `alice:${OLD}\n`)
    wait()
    assert.equal(nameOf(await source.verify(attempt('alice', 'old password'))), 'htpasswd:alice')
    assert.match(log.lines.join('\n'), /info the htpasswd file can be read again/)
  }
  // Empty is not missing: it says that there is nobody.
  writeFileSync(path, '')
  wait()
  assert.equal(await source.verify(attempt('alice', 'old password')), 'unknown')
  assert.match(log.lines.join('\n'), /warn nobody can sign in by the htpasswd file/)
})

test('a missing file is made, as Distribution does: one user, a random password, told once', async (t) => {
  const { open, path, created, log } = setUp(t, null)
  const source = await open()
  assert.equal(created.length, 1)
  const { name = '', password = '' } = created[0] ?? {}
  assert.equal(name, 'docker')
  assert.ok(password.length >= 32)
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.equal(statSync(dirname(path)).mode & 0o777, 0o700)
  // Distribution can read it too.
  assert.match(readFileSync(path, 'utf8'), /^docker:\$2[aby]\$10\$[^:\s]+\n$/)
  assert.equal(nameOf(await source.verify(attempt('docker', password))), 'htpasswd:docker')
  assert.equal(await source.verify(attempt('docker', '')), 'wrong')
  assert.ok(!log.lines.join().includes(password))
  // The next start leaves it as it is, and two at once make one.
  await open()
  assert.equal(created.length, 1)
  rmSync(path)
  await Promise.all([open(), open(), open()])
  assert.equal(created.length, 2)
})

test('a file that is there and cannot be read stops the start, with the reason', async (t) => {
  const { open, path } = setUp(t)
  rmSync(path)
  mkdirSync(path)
  await assert.rejects(open(), /auth\.htpasswd\.path: .* cannot be read: it is a folder; engines make one/)
  rmSync(path, { recursive: true })
  execFileSync('mkfifo', [path])
  await assert.rejects(open(), /it is not a file/)
  rmSync(dirname(path), { recursive: true })
  writeFileSync(dirname(path), '')
  await assert.rejects(open(), /auth\.htpasswd\.path: .* there is no such file/)
})

// security.md, C22
test('no line of the log has a password or a hash', async (t) => {
  const { open, log, path, wait } = setUp(t, `canary-line\nalice:canary-plain\nbob:${OLD}\nbob:${NEW}\n`)
  const source = await open()
  await source.verify(attempt('alice', 'canary-password'))
  await source.verify(attempt('bob', 'canary-password'))
  writeFileSync(path, 'bad:canary-plain\n'.repeat(500))
  wait()
  await source.verify(attempt('bad', 'canary-password'))
  const text = log.lines.join('\n')
  assert.ok(!/canary/.test(text), text)
  assert.ok(!text.includes('$2y$'))
  assert.match(text, /line 1 of the htpasswd file is not used/)
  assert.ok(log.lines.length < 50)
})

// security.md, C10
test('an unusable name takes as long as one that can sign in', async (t) => {
  const slow = `$6$rounds=20000$abcdefgh$${'a'.repeat(86)}`
  const { open } = setUp(t, `alice:${slow}\nmd5:$apr1$abc$def\n`)
  const source = await open()
  await source.verify(attempt('alice', 'guess'))
  const times: Record<string, number[]> = { alice: [], md5: [] }
  for (let turn = 0; turn < 11; turn++) {
    for (const [name, list] of Object.entries(times)) {
      const began = performance.now()
      assert.equal(await source.verify(attempt(name, 'guess')), 'wrong')
      list.push(performance.now() - began)
    }
  }
  const median = (values: number[] = []): number => values.toSorted((a, b) => a - b)[5] ?? 0
  const ratio = median(times['md5']) / median(times['alice'])
  assert.ok(ratio > 0.5 && ratio < 2, `${ratio}`)
})
