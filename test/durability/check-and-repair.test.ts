/** `berth check` as its users run it: beside a registry that works, from a second registry, killed, twice at once. */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import {
  cpSync,
  existsSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  createDistributionFolder,
  imageOf as distributionImage,
  sha256Of,
} from '../../src/takeover/takeover-fixtures.ts'
import { blobOf, digestOf, imageOf, type Blob } from '../lib/content.ts'
import { createRegistryClient, expectStatus, type RegistryClient } from '../lib/registry-client.ts'
import { startServer, type TestServer } from '../lib/start-server.ts'
import { afterwards, temporaryFolder } from '../lib/temporary.ts'

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname
const REPOSITORY = 'team/app'
const config = blobOf('check config', 300)
const layers = Array.from({ length: 12 }, (_, n) => blobOf(`check layer ${n}`, 400_000 + n))
const image = imageOf(config, layers)

type Ended = { code: number | null; stdout: string; stderr: string }

function beginCheck(
  folder: string,
  root: string,
  ...args: string[]
): { child: ChildProcess; ended: Promise<Ended> } {
  const file = join(folder, 'check.yml')
  writeFileSync(
    file,
    JSON.stringify({
      version: 0.1,
      storage: { filesystem: { rootdirectory: root }, delete: { enabled: true } },
    }),
  )
  const child = spawn(process.execPath, [MAIN, 'check', '-c', file, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said = { stdout: '', stderr: '' }
  child.stdout.on('data', (text: Buffer) => (said.stdout += text.toString()))
  child.stderr.on('data', (text: Buffer) => (said.stderr += text.toString()))
  const ended = new Promise<Ended>((resolve) => child.once('close', (code) => resolve({ code, ...said })))
  return { child, ended }
}

async function filled(context: TestContext, name: string) {
  const root = temporaryFolder(context, name)
  const server = await startServer({ root })
  const client = createRegistryClient(server.url)
  afterwards(context, () => server.kill())
  afterwards(context, () => client.close())
  for (const blob of [config, ...layers])
    expectStatus(await client.pushBlob(REPOSITORY, blob, 'post-put'), 201)
  expectStatus(await client.putManifest(REPOSITORY, '1.0', image), 201)
  return { root, server, client }
}

/** More than one after a repair: the damaged one is the collector's, and goes a little later. */
function filesOf(root: string, { digest }: Blob): string[] {
  const objects = join(root, 'berth', 'objects')
  const ending = `.${digest.replace(':', '-')}`
  const names = readdirSync(objects, { recursive: true, encoding: 'utf8' })
  return names.filter((name) => name.endsWith(ending)).map((name) => join(objects, name))
}

/** Each in a way of its own. */
function damageAll(root: string): void {
  for (const [index, layer] of layers.entries()) {
    for (const file of filesOf(root, layer)) {
      // The server may just have removed it.
      if (!existsSync(file)) continue
      if (index % 3 === 0) rmSync(file)
      else if (index % 3 === 1) truncateSync(file, 1000)
      else writeFileSync(file, Buffer.alloc(statSync(file).size))
    }
  }
}

async function pullsWhole(client: RegistryClient): Promise<void> {
  assert.equal(digestOf((await client.getManifest(REPOSITORY, '1.0')).body), image.digest)
  for (const { digest } of [config, ...layers])
    assert.equal(digestOf(expectStatus(await client.getBlob(REPOSITORY, digest), 200).body), digest)
}

test('a running registry is repaired from another one', { timeout: 60_000 }, async (context) => {
  const folder = temporaryFolder(context, 'check')
  const broken = await filled(context, 'broken')
  const whole = await filled(context, 'whole')
  damageAll(broken.root)

  const found = await beginCheck(folder, broken.root, '--json').ended
  assert.equal(found.code, 1, found.stderr)
  const { problems, summary } = JSON.parse(found.stdout) as {
    problems: { kind: string; affected: object[] }[]
    summary: Record<string, number>
  }
  const kinds = problems.map(({ kind }) => kind).sort()
  const each = ['missing', 'wrong-bytes', 'wrong-size'].flatMap((kind) => Array<string>(4).fill(kind))
  assert.deepEqual(kinds, each)
  assert.equal(summary['unsolved'], 12)
  for (const { affected } of problems)
    assert.deepEqual(affected, [{ repository: REPOSITORY, manifest: image.digest, tag: '1.0' }])

  const repaired = await beginCheck(folder, broken.root, '--repair', '--from', whole.server.host).ended
  assert.equal(repaired.code, 0, repaired.stdout + repaired.stderr)
  assert.match(repaired.stdout, /12 broken, 0 untidy; 12 repaired/)
  assert.match(repaired.stdout, /affects: team\/app:1\.0/)
  await pullsWhole(broken.client)
  const again = await beginCheck(folder, broken.root, '--rehash').ended
  assert.deepEqual([again.code, again.stdout.split('\n')[1]], [0, 'all is well'], again.stdout)
})

test(
  'beside four clients that push and delete, nothing is said to be wrong',
  { timeout: 120_000 },
  async (context) => {
    const folder = temporaryFolder(context, 'check')
    const { root, server } = await filled(context, 'busy')
    const end = new AbortController()
    const work = [0, 1, 2, 3].map((who) => pushAndDelete(server, who, end.signal))
    for (const args of [[], ['--rehash'], ['--repair'], ['--rehash', '--repair']]) {
      const { code, stdout, stderr } = await beginCheck(folder, root, ...args).ended
      assert.equal(code, 0, `${args.join(' ')}: ${stdout}${stderr}`)
    }
    end.abort()
    const pushed = await Promise.all(work)
    assert.ok(
      pushed.every((images) => images > 3),
      `images pushed meanwhile: ${pushed.join(', ')}`,
    )
  },
)

async function pushAndDelete(server: TestServer, who: number, signal: AbortSignal): Promise<number> {
  const client = createRegistryClient(server.url)
  let round = 0
  try {
    for (; !signal.aborted; round++) {
      const repository = `busy/${who % 2}`
      const shared = blobOf(`shared ${round % 5}`, 50_000)
      const own = blobOf(`own ${who} ${round}`, 300_000)
      for (const blob of [config, shared, own])
        expectStatus(await client.pushBlob(repository, blob, round % 2 === 0 ? 'post-put' : 'chunks'), 201)
      const pushed = imageOf(config, [shared, own])
      expectStatus(await client.putManifest(repository, `t${round % 3}`, pushed), 201)
      expectStatus(await client.deleteManifest(repository, pushed.digest), 202)
    }
  } finally {
    client.close()
  }
  return round
}

test(
  'a repair that is killed is done by the next one; two at once do no harm',
  { timeout: 120_000 },
  async (context) => {
    const folder = temporaryFolder(context, 'check')
    const broken = await filled(context, 'broken')
    const whole = await filled(context, 'whole')
    await whole.server.stop()
    for (const afterMs of [250, 400, 550, 700, 900]) {
      damageAll(broken.root)
      const { child, ended } = beginCheck(folder, broken.root, '--repair', '--from', whole.root)
      await sleep(afterMs)
      child.kill('SIGKILL')
      await ended
      const both = [1, 2].map(() => beginCheck(folder, broken.root, '--repair', '--from', whole.root).ended)
      for (const { code, stdout, stderr } of await Promise.all(both)) assert.equal(code, 0, stdout + stderr)
      await pullsWhole(broken.client)
    }
    const { code, stdout } = await beginCheck(folder, broken.root, '--rehash').ended
    assert.equal(code, 0, stdout)
  },
)

test('what was cut off by Ctrl-C says how to go on', { timeout: 60_000 }, async (context) => {
  const folder = temporaryFolder(context, 'check')
  const { root } = await filled(context, 'slow')
  const { child, ended } = beginCheck(folder, root, '--rehash', '--rate', '1')
  await sleep(2500)
  child.kill('SIGINT')
  const { code, stderr, stdout } = await ended
  assert.equal(code, 1)
  const [, since] = /to go on: berth check --rehash --since (\S+)/.exec(stderr) ?? []
  const done = Number(/(\d+) of them hashed/.exec(stdout)?.[1] ?? 0)
  assert.ok(since !== undefined && done > 0 && done < 13, `${done} hashed: ${stderr}`)
  const rest = await beginCheck(folder, root, '--rehash', '--since', since).ended
  assert.equal(Number(/(\d+) of them hashed/.exec(rest.stdout)?.[1]), 13 - done, rest.stdout)
})

const WRONG: [args: string[], message: RegExp][] = [
  [['--since', 'yesterday', '--rehash'], /--since is a time/],
  [['--since', '1d'], /--since goes with --rehash/],
  [['--from', 'localhost:5000'], /--from goes with --repair/],
  [['--repair', '--from', 'what is this'], /no folder, and no address/],
  [['--rate', 'fast'], /--rate is a number/],
  [['--remove-unknown', '--repository', 'a'], /belong to no repository/],
  [['folder'], /what is "folder"/],
]
test('wrong arguments are told', { timeout: 60_000 }, async (context) => {
  const folder = temporaryFolder(context, 'check')
  for (const [args, message] of WRONG) {
    const { code, stderr } = await beginCheck(folder, folder, ...args).ended
    assert.equal(code, 2, args.join(' '))
    assert.match(stderr, message)
  }
  const none = await beginCheck(folder, join(folder, 'nothing')).ended
  assert.equal(none.code, 1)
  assert.match(none.stderr, /there are no data of Berth/)
})

test(
  'what was taken over: repaired from a copy, leftovers removed, manifests kept',
  { timeout: 60_000 },
  async (context) => {
    const folder = temporaryFolder(context, 'check')
    const root = temporaryFolder(context, 'taken')
    const copy = temporaryFolder(context, 'copy')
    const written = createDistributionFolder(root)
    const manifest = distributionImage('{}', ['a layer'])
    written.image('team/app', '1', '{}', ['a layer'])
    written.blob('left over')
    const fileIn = (where: string, content: string): string => join(where, pathOf(sha256Of(content)))
    utimesSync(fileIn(root, 'left over'), 1, 1)
    cpSync(root, copy, { recursive: true })
    const server = await startServer({ root })
    const client = createRegistryClient(server.url)
    afterwards(context, () => server.kill())
    afterwards(context, () => client.close())
    while (!server.log().includes('takeover complete')) await sleep(50)

    const whole = await beginCheck(folder, root, '--rehash').ended
    assert.match(whole.stdout, /^note: a file that CNCF Distribution left and that nothing names\n/)
    assert.match(whole.stdout, /all is well\n$/)
    assert.equal(whole.code, 0)
    truncateSync(fileIn(root, 'a layer'), 2)
    const repaired = await beginCheck(folder, root, '--repair', '--from', copy).ended
    assert.match(repaired.stdout, /cut, or too long[^]*affects: team\/app:1\n {2}repaired: copied from/)
    assert.equal(repaired.code, 0, repaired.stdout)
    assert.equal((await client.getBlob('team/app', sha256Of('a layer'))).body.toString(), 'a layer')
    const asked = await beginCheck(folder, root, '--remove-unknown').ended
    assert.match(asked.stderr, /to remove 1 files that no row knows, 9 B, say --yes/)
    const removed = await beginCheck(folder, root, '--remove-unknown', '--yes').ended
    assert.match(removed.stdout, /removed 1 files that no row knew \(9 B\)\nall is well\n$/)
    assert.deepEqual(
      ['left over', manifest, '{}'].map((content) => existsSync(fileIn(root, content))),
      [false, true, true],
    )
  },
)

const pathOf = (digest: string): string =>
  join('docker/registry/v2/blobs/sha256', digest.slice(7, 9), digest.slice(7), 'data')
