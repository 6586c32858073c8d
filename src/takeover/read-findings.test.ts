/** What is told of folders that are damaged: each kind of damage, and all that is told of it. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, symlinkSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { FindingKind } from './found.ts'
import { DAMAGED, folderFor, hexOf, MANIFEST, NAME, R, read, SCHEMA1, SOME, T0 } from './reading-fixtures.ts'
import {
  asAnybody,
  describe,
  type DistributionFolder,
  imageOf,
  indexOf,
  OCI_LAYER,
  sha256Of,
} from './takeover-fixtures.ts'

const SIZE_WRONG = imageOf('config', [], { layers: [{ ...describe('layer', OCI_LAYER), size: 6 }] })

/** Each: what is done to a folder that holds one whole image, and all that is told then. */
const DAMAGES: [string, (folder: DistributionFolder) => void, [FindingKind, RegExp][]][] = [
  [
    'leftovers of deletes and of writes that were cut off',
    (folder) => {
      mkdirSync(join(folder.v2, R, '_layers/sha256', hexOf(SOME)))
      mkdirSync(join(folder.v2, R, '_manifests/revisions/sha256', hexOf(SOME)))
      folder.write(
        `${R}/_manifests/revisions/sha256/${hexOf(sha256Of('x'))}/signatures/sha256/${hexOf(SOME)}/link`,
        SOME,
      )
      folder.write(`${R}/_layers/sha256/${hexOf(SOME)}/link.0190f3f0-7a1e-7c2b-8a55-0123456789ab.tmp`, SOME)
      mkdirSync(join(folder.v2, R, '_uploads'))
    },
    [],
  ],
  [
    'links with a newline',
    (folder) => {
      folder.write(`${R}/_layers/sha256/${hexOf(sha256Of('layer'))}/link`, `${sha256Of('layer')}\n`)
      folder.write(`${R}/_manifests/tags/1/current/link`, `${sha256Of(MANIFEST)}\r\n`)
    },
    [],
  ],
  [
    'an empty link',
    (folder) => {
      folder.write(`${R}/_layers/sha256/${hexOf(SOME)}/link`, '')
    },
    [['bad-link', /^_layers\/sha256\/[0-9a-f]{64}\/link is empty/]],
  ],
  [
    'a link without a digest',
    (folder) => {
      folder.write(`${R}/_manifests/revisions/sha256/${hexOf(SOME)}/link`, 'sha256:abc')
    },
    [['bad-link', /revisions.* holds "sha256:abc", which is no digest/]],
  ],
  [
    'a link with too much in it',
    (folder) => {
      folder.write(`${R}/_manifests/revisions/sha256/${hexOf(SOME)}/link`, 'x'.repeat(5000))
    },
    [['bad-link', /has 5000 bytes: that is no link/]],
  ],
  [
    'a link that is a folder',
    (folder) => {
      mkdirSync(join(folder.v2, R, `_layers/sha256/${hexOf(SOME)}/link`), { recursive: true })
    },
    [['bad-link', /is not a file/]],
  ],
  [
    'a link in the wrong folder',
    (folder) => {
      folder.write(`${R}/_layers/sha256/${hexOf(SOME)}/link`, sha256Of('layer'))
    },
    [['bad-link', /holds sha256:[0-9a-f]{64}, another digest than its place says/]],
  ],
  [
    'a tag whose link holds nothing of use',
    (folder) => {
      folder.tag(NAME, 'bad', sha256Of(MANIFEST))
      folder.write(`${R}/_manifests/tags/bad/current/link`, 'latest')
    },
    [
      [
        'bad-link',
        new RegExp(`tags/bad/current/link holds "latest".*what it was before is here: ${sha256Of(MANIFEST)}`),
      ],
    ],
  ],
  [
    'a blob that no manifest names and whose file is gone',
    (folder) => {
      folder.layer(NAME, 'lost')
      folder.remove(folder.blobFile(sha256Of('lost')))
    },
    [['layer-without-data', /^_layers links sha256:.*nothing is lost/]],
  ],
  [
    'a layer whose file is gone',
    (folder) => {
      folder.remove(folder.blobFile(sha256Of('layer')))
    },
    [
      ['layer-without-data', /^_layers links/],
      ['layer-without-data', /^manifest .* names the layer .* bytes are gone/],
    ],
  ],
  [
    'a layer that is a folder',
    (folder) => {
      const digest = folder.layer(NAME, 'other')
      folder.remove(folder.blobFile(digest))
      mkdirSync(join(folder.v2, folder.blobFile(digest)))
    },
    [['layer-without-data', /is not a file/]],
  ],
  [
    'a layer without bytes',
    (folder) => {
      truncateSync(join(folder.v2, folder.blobFile(folder.layer(NAME, 'other'))))
    },
    [['empty-blob', /is empty: a write that was cut off/]],
  ],
  [
    'the blob of no bytes',
    (folder) => {
      folder.layer(NAME, '')
    },
    [],
  ],
  [
    'a manifest whose file is gone',
    (folder) => {
      folder.remove(folder.blobFile(sha256Of(MANIFEST)))
    },
    [
      ['revision-without-data', /its bytes are gone/],
      ['tag-without-revision', /^tag 1 points to .*cannot be taken over \(revision without data/],
    ],
  ],
  [
    'a manifest without bytes',
    (folder) => {
      truncateSync(join(folder.v2, folder.blobFile(folder.manifest(NAME, DAMAGED))))
    },
    [['empty-blob', /^manifest .* bytes are empty/]],
  ],
  [
    'a manifest with other bytes',
    (folder) => {
      folder.write(folder.blobFile(folder.manifest(NAME, DAMAGED)), DAMAGED.replace('damaged', 'DAMAGED'))
    },
    [['damaged-manifest', /its bytes have another digest/]],
  ],
  [
    'a manifest that is none',
    (folder) => {
      folder.manifest(NAME, 'hello')
    },
    [['unreadable-manifest', /it is not JSON/]],
  ],
  [
    'a manifest that is too large',
    (folder) => {
      folder.manifest(NAME, imageOf('config', [], { annotations: { much: 'x'.repeat(4 * 1024 * 1024) } }))
    },
    [['unreadable-manifest', /at most 4194304/]],
  ],
  [
    'schema 1, with a tag',
    (folder) => {
      folder.tag(NAME, 'ancient', folder.manifest(NAME, SCHEMA1))
    },
    [
      ['schema1', /before 2016 \(schema 1\).*push it again/],
      ['tag-without-revision', /^tag ancient .*\(schema1, see there\)/],
    ],
  ],
  [
    'a tag to what is not here',
    (folder) => {
      folder.tag(NAME, '2', SOME)
    },
    [
      [
        'tag-without-revision',
        /^tag 2 points to sha256:[0-9a-f]+, which is not in this repository\. Distribution lists/,
      ],
    ],
  ],
  [
    'a tag to what is not here, with a past',
    (folder) => {
      folder.tag(NAME, '2', sha256Of(MANIFEST), T0)
      folder.tag(NAME, '2', SOME)
    },
    [['tag-without-revision', new RegExp(`what it was before is here: ${sha256Of(MANIFEST)}`)]],
  ],
  [
    'a tag that was begun',
    (folder) => {
      folder.write(`${R}/_manifests/tags/3/index/sha256/${hexOf(SOME)}/link`, SOME)
    },
    [['tag-without-revision', /^tag 3 points to nothing/]],
  ],
  [
    'a layer that the repository does not link',
    (folder) => {
      folder.blob('elsewhere')
      folder.manifest(NAME, imageOf('config', ['elsewhere', 'nowhere']))
    },
    [
      ['layer-without-link', /in the store, but not in this repository/],
      ['layer-without-link', /which is not there/],
    ],
  ],
  [
    'an index without one of its children',
    (folder) => {
      folder.manifest(NAME, indexOf([MANIFEST, 'missing child']))
    },
    [['layer-without-link', /names the manifest sha256:/]],
  ],
  [
    'a size that is wrong, twice',
    (folder) => {
      folder.manifest(NAME, SIZE_WRONG)
      folder.manifest(NAME, SIZE_WRONG.replace('{', '{ '))
    },
    [['size-differs', /has 5 bytes, but manifest .* says 6/]],
  ],
  [
    'an unfinished upload',
    (folder) => {
      folder.upload(NAME, '0190f3f0-7a1e-7c2b-8a55-0123456789ab', 'half', '2024-01-02T03:04:05Z')
    },
    [['unfinished-upload', /^upload 0190f3f0.*, begun 2024-01-02T03:04:05Z, 4 bytes so far/]],
  ],
  [
    'digests of other kinds',
    (folder) => {
      folder.write(`${R}/_layers/sha384/${'ab'.repeat(48)}/link`, SOME)
      folder.write(`${R}/_layers/tarsum/v1/sha256/${'ab'.repeat(32)}/link`, SOME)
    },
    [
      ['unknown-file', /_layers\/sha384: digests of a kind/],
      ['unknown-file', /_layers\/tarsum: digests of a kind/],
    ],
  ],
  [
    'files that somebody else put there',
    (folder) => {
      for (const path of [
        '_layers/.DS_Store',
        '_manifests/tags/.DS_Store',
        '_manifests/x',
        '_uploads/y',
        '_layers/sha256/z',
        '_manifests/tags/file',
      ]) {
        folder.write(`${R}/${path}`, 'x')
      }
    },
    [
      ['unknown-file', /^_layers\/\.DS_Store: not written by Distribution/],
      ['unknown-file', /^_layers\/sha256\/z:/],
      ['unknown-file', /^_manifests\/tags\/\.DS_Store: a name that no tag has/],
      ['unknown-file', /^_manifests\/tags\/file:/],
      ['unknown-file', /^_manifests\/x:/],
      ['unknown-file', /^_uploads\/y:/],
    ],
  ],
  [
    'links in a circle',
    (folder) => {
      mkdirSync(join(folder.v2, R, '_layers/sha256', hexOf(SOME)))
      symlinkSync('link', join(folder.v2, R, '_layers/sha256', hexOf(SOME), 'link'))
    },
    [['not-readable', /ELOOP.*circle/]],
  ],
]

for (const [what, damage, expected] of DAMAGES) {
  test(`told: ${what}`, (t) => {
    const folder = folderFor(t)
    folder.image(NAME, '1', 'config', ['layer'])
    damage(folder)
    const { findings, manifests, tags, blobs } = read(folder)
    const told = findings.sort(([a, x], [b, y]) => (`${a} ${x}` < `${b} ${y}` ? -1 : 1))
    assert.deepEqual(
      told.map(([kind]) => kind),
      expected.map(([kind]) => kind),
      JSON.stringify(told, null, 1),
    )
    const sorted = [...told]
    for (const [kind, pattern] of expected) {
      const at = sorted.findIndex(([other, detail]) => other === kind && pattern.test(detail))
      assert.ok(at >= 0, `${kind} ${pattern} is not in ${JSON.stringify(sorted, null, 1)}`)
      sorted.splice(at, 1)
    }
    // What is whole is still given, unless it is what was damaged.
    assert.ok(blobs.some(({ digest }) => digest === sha256Of('config')))
    if (/file is gone/.test(what)) return
    assert.ok(manifests.some(({ digest }) => digest === sha256Of(MANIFEST)))
    assert.ok(tags.some(({ name, digest }) => name === '1' && digest === sha256Of(MANIFEST)))
  })
}

const noUsers = process.seteuid === undefined && 'SKIPPED: needs users'

test('told: what the system does not let this user read', { skip: noUsers }, async (t) => {
  const folder = folderFor(t)
  chmodSync(folder.root, 0o755)
  folder.image(NAME, '1', 'config', ['layer'])
  folder.image(NAME, '2', 'other', [])
  const forbidden = [
    folder.blobFile(sha256Of('layer')),
    folder.blobFile(sha256Of(imageOf('other', []))),
    `${R}/_layers/sha256/${hexOf(sha256Of('other'))}/link`,
    `${R}/_manifests/tags/1`,
    `${R}/_uploads`,
  ]
  mkdirSync(join(folder.v2, R, '_uploads'))
  for (const path of forbidden) chmodSync(join(folder.v2, path), 0)
  await asAnybody(() => {
    const told = read(folder).findings.filter(([kind]) => kind === 'not-readable')
    assert.equal(told.length, 5, JSON.stringify(told, null, 1))
    for (const [, detail] of told)
      assert.match(detail, /may not be read by this user \(\d+\): run as the user that owns it/)
  })
})

test('a pipe in the place of a file does not stop the reading', { skip: missingMkfifo() }, (t) => {
  const folder = folderFor(t)
  folder.image(NAME, '1', 'config', ['layer'])
  folder.manifest(NAME, DAMAGED)
  const pipes = [`${R}/_layers/sha256/${hexOf(sha256Of('layer'))}/link`, folder.blobFile(sha256Of(DAMAGED))]
  for (const path of pipes) {
    folder.remove(path)
    execFileSync('mkfifo', [join(folder.v2, path)])
  }
  const kinds = read(folder).findings.map(([kind]) => kind)
  assert.deepEqual(kinds.sort(), ['bad-link', 'layer-without-link', 'unreadable-manifest'])
})

function missingMkfifo(): string | false {
  return process.platform === 'win32' && 'SKIPPED: needs pipes in the file system'
}
