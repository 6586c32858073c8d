import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { createLayout, digestsBelow, fileLayer, randomLayer, taggedDigest } from './layout.ts'
import { tarOf } from './tar.ts'
import {
  assertGone,
  assertServesLayout,
  createWorkplace,
  digestsServed,
  missingClients,
  pushLayout,
} from './workplace.ts'

const skip = missingClients(['crane'], 'optional')

test('crane pushes, copies, tags, pulls and deletes', { skip, timeout: 120_000 }, async (context) => {
  const { client, run, place, server } = await createWorkplace(context, 'crane')
  const at = (name: string): string => `${server.host}/${name}`
  const layout = createLayout(place('layout'))
  const image = layout.addImage({ layers: [fileLayer('a', 'crane'), randomLayer('crane', 300_000)] })
  layout.tag(image, '1')
  await run('crane', ['push', layout.folder, at('team/crane:1')])
  // Of a layout with one image crane pushes the image, or the layout's own index: below it is the image.
  const served = await digestsServed(client, 'team/crane', '1')
  for (const digest of digestsBelow(layout.folder, image.digest)) assert.ok(served.includes(digest), digest)
  assert.equal((await run('crane', ['digest', at('team/crane:1')])).stdout.trim(), served[0])
  await run('crane', ['copy', at('team/crane:1'), at('other/crane:1')])
  assert.deepEqual(await digestsServed(client, 'other/crane', '1'), served)
  for (const tag of ['b', 'a', 'c']) await run('crane', ['tag', at('team/crane:1'), tag])
  assert.equal((await run('crane', ['ls', at('team/crane')])).stdout, '1\na\nb\nc\n')
  const catalog = (await run('crane', ['catalog', server.host])).stdout.split('\n')
  assert.ok(catalog.includes('team/crane') && catalog.includes('other/crane'))
  await run('crane', ['pull', '--format=oci', at('team/crane:1'), join(place('back'), 'layout')])
  const back = join(place('back'), 'layout')
  const pulled = taggedDigest(back)
  assert.equal(pulled, served[0])
  assert.deepEqual(digestsBelow(back, pulled).sort(), served.sort())
  await run('crane', ['validate', '--remote', at('other/crane:1')])
  await run('crane', ['delete', at('team/crane:a')])
  await assertGone(client, 'team/crane', 'a')
  await run('crane', ['delete', `${at('team/crane')}@${pulled}`])
  for (const tag of ['1', 'b', 'c']) await assertGone(client, 'team/crane', tag)
})

test('crane appends a layer and exports the files', { skip, timeout: 120_000 }, async (context) => {
  const { client, run, place, server } = await createWorkplace(context, 'crane')
  const layout = createLayout(place('layout'))
  const image = layout.addImage({ layers: [fileLayer('first', 'first')] })
  await pushLayout(client, 'team/base', '1', layout.folder, image.digest)
  await assertServesLayout(client, 'team/base', '1', layout.folder, image.digest)
  const tar = join(place('work'), 'layer.tar')
  writeFileSync(tar, tarOf(fileLayer('second', 'second')))
  const target = `${server.host}/team/appended:1`
  await run('crane', ['append', '-b', `${server.host}/team/base:1`, '-f', tar, '-t', target])
  await digestsServed(client, 'team/appended', '1')
  const exported = join(place('work'), 'files.tar')
  await run('crane', ['export', target, exported])
  const text = readFileSync(exported, 'latin1')
  assert.ok(text.includes('first') && text.includes('second'))
})
