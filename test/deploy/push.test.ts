/** `berth push`: every form of a layout into Berth, and what is said of those that cannot be pushed. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { gzipSync } from 'node:zlib'
import { blobPath, createLayout, fileLayer, randomLayer } from '../clients/layout.ts'
import { type Entry, tarOf } from '../clients/tar.ts'
import {
  assertGone,
  assertServesLayout,
  createWorkplace,
  digestsServed,
  type Workplace,
} from '../clients/workplace.ts'
import { digestOf } from '../lib/content.ts'
import { type Push, pushIn } from './push-place.ts'

type Place = Workplace & { push: Push }

async function begin(context: TestContext): Promise<Place> {
  const workplace = await createWorkplace(context, 'push')
  return { ...workplace, push: pushIn(workplace) }
}

function writeIndex(folder: string, manifests: unknown[]): void {
  writeFileSync(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  writeFileSync(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }))
}

/** Bytes into a layout, by any algorithm. */
function addBlob(
  folder: string,
  text: string | Buffer,
  mediaType: string,
  algorithm: 'sha256' | 'sha512' = 'sha256',
) {
  const bytes = Buffer.from(text)
  const digest = digestOf(bytes, algorithm)
  mkdirSync(join(folder, 'blobs', algorithm), { recursive: true })
  writeFileSync(blobPath(folder, digest), bytes)
  return { mediaType, digest, size: bytes.length }
}

test('an image: pushed once, found there the second time', async (context) => {
  const { push, place, server, client } = await begin(context)
  const layout = createLayout(place('layout'))
  const image = layout.addImage({ layers: [fileLayer('a', 'a'), randomLayer('push', 3_000_000)] })
  layout.tag(image, '1.0')
  const reference = `${server.host}/team/app:2`
  const first = await push([layout.folder, reference])
  assert.equal(first.code, 0, first.stderr)
  assert.equal(first.stdout, `${reference}@${image.digest}\n`)
  assert.match(first.stderr, /3 blobs uploaded \(2\.\d MiB\), 1 of 1 manifest new/)
  await assertServesLayout(client, 'team/app', '2', layout.folder, image.digest)
  const again = await push([layout.folder, reference])
  assert.equal(again.stdout, `${reference}@${image.digest}\n`)
  assert.match(again.stderr, /0 blobs uploaded \(0 B\), 3 there already, 0 of 1 manifest new/)
  // Another repository of the same registry: no byte is sent.
  const elsewhere = await push([
    `${layout.folder}:1.0`,
    `${server.host}/other/app`,
    '--mount-from',
    'team/app',
    '-q',
  ])
  assert.deepEqual([elsewhere.code, elsewhere.stderr], [0, ''])
  assert.equal(elsewhere.stdout, `${server.host}/other/app:latest@${image.digest}\n`)
  await assertServesLayout(client, 'other/app', 'latest', layout.folder, image.digest)
})

test('an index in an index, attestations, artifacts, foreign layers, blobs in an index, sha512', async (context) => {
  const { push, place, server, client } = await begin(context)
  const folder = place('layout')
  const layout = createLayout(folder)
  const [amd, arm] = ['amd64', 'arm64'].map((architecture) =>
    layout.addImage({ architecture, layers: [fileLayer('arch', architecture)] }),
  ) as [ReturnType<typeof layout.addImage>, ReturnType<typeof layout.addImage>]
  const artifact = addBlob(
    folder,
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      artifactType: 'application/vnd.example.signature',
      config: addBlob(folder, '{}', 'application/vnd.oci.empty.v1+json'),
      layers: [
        addBlob(folder, 'in sha512', 'text/plain', 'sha512'),
        {
          mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
          digest: digestOf(Buffer.from('is elsewhere')),
          size: 12,
          urls: ['https://elsewhere.example/layer'],
        },
      ],
      subject: { mediaType: amd.mediaType, digest: amd.digest, size: amd.size },
    }),
    'application/vnd.oci.image.manifest.v1+json',
  )
  const cache = addBlob(folder, 'a layer of a cache', 'application/vnd.oci.image.layer.v1.tar+gzip')
  const inner = layout.addIndex([amd, arm])
  const outer = addBlob(
    folder,
    // The bytes are not as a program of ours writes them: they must stay so.
    `{\n   "schemaVersion": 2,\n  "manifests": ${JSON.stringify([inner, artifact, cache])}\n}\n`,
    'application/vnd.oci.image.index.v1+json',
  )
  writeIndex(folder, [outer])
  const pushed = await push([folder, `${server.host}/o/nested:1`])
  assert.equal(pushed.code, 0, pushed.stderr)
  assert.match(pushed.stderr, /, 5 of 5 manifests new, 1 layer not pushed, as they lie elsewhere/)
  const served = await client.getManifest('o/nested', '1')
  assert.deepEqual(served.body, readFileSync(blobPath(folder, outer.digest)))
  for (const { digest } of [inner, artifact, amd, arm])
    assert.equal((await client.getManifest('o/nested', digest)).status, 200, digest)
  for (const digest of [cache.digest, digestOf(Buffer.from('in sha512'), 'sha512')])
    assert.equal((await client.getBlob('o/nested', digest)).status, 200, digest)
})

test('a tar of a layout, by GNU tar and with folders before it', async (context) => {
  const { push, place, server, client, folder } = await begin(context)
  const layout = createLayout(place('layout'))
  const index = layout.addIndex(
    ['amd64', 'arm64'].map((architecture) =>
      layout.addImage({ architecture, layers: [fileLayer('arch', architecture)] }),
    ),
  )
  layout.tag(index, 'localhost:5000/team/app:1')
  for (const [file, format] of [
    ['gnu.tar', 'gnu'],
    ['pax.tar', 'posix'],
    ['ustar.tar', 'ustar'],
  ] as const) {
    const path = join(folder, file)
    execFileSync('tar', [`--format=${format}`, '-C', layout.folder, '-cf', path, '.'])
    const pushed = await push([`${path}:localhost:5000/team/app:1`, `${server.host}/tar/${format}:1`])
    assert.equal(pushed.code, 0, pushed.stderr)
    await assertServesLayout(client, `tar/${format}`, '1', layout.folder, index.digest)
  }
  const one = await push([
    join(folder, 'gnu.tar'),
    `${server.host}/tar/arm:1`,
    '--platform',
    'linux/arm64/v8',
  ])
  const arm = /@(sha256:\w+)/.exec(one.stdout)?.[1] ?? ''
  assert.equal(one.code, 0, one.stderr)
  assert.notEqual(arm, index.digest)
  await assertServesLayout(client, 'tar/arm', '1', layout.folder, arm)
})

test('what docker save wrote before Docker 25', async (context) => {
  const { push, server, client, folder } = await begin(context)
  const file = (path: string, bytes: Buffer | string): Entry => ({
    kind: 'file',
    path,
    mode: 0o644,
    bytes: Buffer.from(bytes),
  })
  const plain = tarOf(fileLayer('one', 'one'))
  const packed = tarOf(fileLayer('two', 'two'))
  const config = JSON.stringify({
    architecture: 'arm64',
    variant: 'v8',
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: [plain, packed, plain].map((tar) => digestOf(tar)) },
  })
  const manifest = [
    { Config: 'c.json', RepoTags: ['team/app:1'], Layers: ['a/layer.tar', 'b/layer.tar', 'c/layer.tar'] },
  ]
  const write = (name: string, layer: Buffer): string => {
    const path = join(folder, name)
    const link: Entry = { kind: 'link', path: 'c/layer.tar', target: '../a/layer.tar', mode: 0o777 }
    const all = [
      file('a/layer.tar', layer),
      file('b/layer.tar', gzipSync(packed)),
      link,
      file('c.json', config),
    ]
    writeFileSync(path, tarOf([...all, file('manifest.json', JSON.stringify(manifest))]))
    return path
  }
  const pushed = await push([
    `${write('saved.tar', plain)}:team/app:1`,
    `${server.host}/saved/app:1`,
    '--platform',
    'linux/arm64',
  ])
  assert.equal(pushed.code, 0, pushed.stderr)
  await digestsServed(client, 'saved/app', '1')
  const served = JSON.parse((await client.getManifest('saved/app', '1')).body.toString()) as {
    layers: { mediaType: string }[]
  }
  assert.deepEqual(
    served.layers.map(({ mediaType }) => mediaType.split('.').at(-1)),
    ['tar', 'tar+gzip', 'tar'],
  )
  const broken = await push([write('broken.tar', Buffer.from('another')), `${server.host}/saved/broken:1`])
  assert.equal(broken.code, 1)
  assert.match(broken.stderr, /a\/layer\.tar in broken\.tar is damaged/)
})

test('a layout that is not whole is refused, and its manifest never goes out', async (context) => {
  const { push, place, server, client } = await begin(context)
  const layout = createLayout(place('layout'))
  const image = layout.addImage({ layers: [fileLayer('a', 'a'), randomLayer('damaged', 2_000_000)] })
  layout.tag(image, '1')
  const manifest = JSON.parse(readFileSync(blobPath(layout.folder, image.digest), 'utf8')) as {
    layers: { digest: string }[]
  }
  const path = blobPath(layout.folder, manifest.layers[1]?.digest ?? '')
  const whole = readFileSync(path)
  const cases: [what: string, damage: () => void, said: RegExp][] = [
    [
      'a bit',
      () => writeFileSync(path, Buffer.from(whole).fill(7, 1_500_000, 1_500_001)),
      /is damaged: its bytes are not those of sha256:/,
    ],
    [
      'its end',
      () => writeFileSync(path, whole.subarray(0, 1_000_000)),
      /is damaged: it has 1000000 bytes, and should have 200\d+/,
    ],
    ['the file', () => rmSync(path), /does not have sha256:\w+, which its index or a manifest names/],
  ]
  for (const [what, damage, said] of cases) {
    damage()
    const pushed = await push([layout.folder, `${server.host}/o/damaged:1`])
    assert.equal(pushed.code, 1, what)
    assert.match(pushed.stderr, said)
    assert.match(pushed.stderr, what === 'the file' ? /layout/ : new RegExp(path))
    assert.equal(pushed.stdout, '')
    await assertGone(client, 'o/damaged', '1')
    await assertGone(client, 'o/damaged', image.digest)
  }
  const unfinished = readdirSync(join(place('xdg-state')), { recursive: true, withFileTypes: true })
  assert.deepEqual(
    unfinished.filter((one) => one.isFile()),
    [],
  )
  writeFileSync(path, whole)
  writeFileSync(blobPath(layout.folder, image.digest), '{}')
  assert.match(
    (await push([layout.folder, `${server.host}/o/damaged:1`])).stderr,
    /is damaged: its bytes are not those/,
  )
})

test('which image: by name, by digest, by platform, and a list where it is not clear', async (context) => {
  const { push, place, server } = await begin(context)
  const layout = createLayout(place('layout'))
  const imageOf = (name: string, architecture: string) =>
    layout.addImage({ layers: [fileLayer('name', name)], architecture })
  const [one, two] = [imageOf('one', 'amd64'), imageOf('two', 's390x')]
  layout.tag(one, '1.0')
  layout.tag(two, '2.0')
  const to = `${server.host}/o/chosen:1`
  const rows: [args: string[], code: number, said: RegExp][] = [
    [
      [layout.folder],
      1,
      /several images; say which: LAYOUT:NAME, LAYOUT@DIGEST or --platform\n {2}1\.0 .*\n {2}2\.0 /,
    ],
    [[`${layout.folder}:1.0`], 0, new RegExp(one.digest)],
    [[layout.folder, '--name', '2.0'], 0, new RegExp(two.digest)],
    [[`${layout.folder}@${two.digest}`], 0, new RegExp(two.digest)],
    [[layout.folder, '--platform', 'linux/s390x'], 0, new RegExp(two.digest)],
    [
      [layout.folder, '--platform', 'linux/riscv64'],
      1,
      /has no image for linux\/riscv64; it has linux\/amd64, linux\/s390x\./,
    ],
    [[`${layout.folder}:3.0`], 1, /has no image called "3\.0"; it has\n {2}1\.0/],
    [[`${layout.folder}@sha256:${'0'.repeat(64)}`], 1, /has no image sha256:0+; it has\n/],
    [[`${layout.folder}@sha256:1`], 1, /a sha256 digest has 64 hexadecimal digits/],
    [[join(layout.folder, 'blobs')], 1, /is no image layout \(the folder has no file "oci-layout"\)/],
    [['nowhere'], 1, /nowhere: there is no such file or folder\./],
    [[MAIN_TEXT], 1, /is no tar, or a damaged one/],
  ]
  for (const [[layoutName = '', ...more], code, said] of rows) {
    const pushed = await push([layoutName, to, ...more])
    assert.equal(pushed.code, code, `${layoutName} ${more.join(' ')}: ${pushed.stderr}`)
    assert.match(pushed.stderr + pushed.stdout, said)
  }
  const pinned = await push([`${layout.folder}:1.0`, `${server.host}/o/pinned@${one.digest}`])
  assert.equal(pinned.stdout, `${server.host}/o/pinned@${one.digest}\n`)
  const other = await push([`${layout.folder}:1.0`, `${server.host}/o/pinned@${two.digest}`])
  assert.match(other.stderr, /has sha256:\w+, and not the sha256:\w+ that is to be pushed\.$/m)
})

const MAIN_TEXT = import.meta.filename

test('wrong arguments: told, and nothing is done', async (context) => {
  const { push, server } = await begin(context)
  const to = `${server.host}/a/b:1`
  const rows: [args: string[], said: RegExp][] = [
    [[], /what is to be pushed\? See "berth push --help"/],
    [['l'], /where to\?/],
    [['l', 'team/app:1'], /does not begin with a registry/],
    [['l', `http://${to}`], /has a scheme: write it as HOST\/NAME:TAG/],
    [['l', `${server.host}/Team/app`], /a repository name is lower-case letters/],
    [['l', `${server.host}/a:.b`], /a tag is 1 to 128 letters/],
    [['l', to, '-j', '0'], /--jobs is a number from 1 to 64/],
    [['l', to, '--chunk-size', '1'], /--chunk-size is a size of 64K or more/],
    [['l', to, '--platform', 'arm64'], /--platform is OS\/ARCHITECTURE/],
    [['l', to, '--username', 'a'], /--username and --password-stdin belong together/],
    [['l', to, '--ca', 'nothing.pem'], /--ca nothing\.pem cannot be read \(ENOENT\)/],
    [['l', to, '--tls-verify=maybe'], /--tls-verify is true or false/],
    [['l', to, '--password', 'x'], /Unknown option '--password'/],
  ]
  for (const [args, said] of rows) {
    const pushed = await push(args)
    assert.equal(pushed.code, 2, `${args.join(' ')}: ${pushed.stderr}`)
    assert.match(pushed.stderr, said)
  }
})
