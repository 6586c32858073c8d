import assert from 'node:assert/strict'
import { PassThrough, Readable } from 'node:stream'
import { test } from 'node:test'
import { createTarWriter, readTar } from './tar.ts'

async function contents(input: Readable): Promise<[string, number, string][]> {
  const files: [string, number, string][] = []
  await readTar(input, async ({ name, size, body }) => {
    let text = ''
    for await (const chunk of body) text += Buffer.from(chunk).toString()
    files.push([name, size, text])
  })
  return files
}

async function archive(): Promise<Buffer> {
  const output = new PassThrough()
  const tar = await createTarWriter(output)
  for (const [name, text] of [
    ['a/empty', ''],
    ['a/b', 'x'.repeat(2000)],
  ] as const) {
    const file = tar.file(name, text.length)
    if (text !== '') await file.write(Buffer.from(text))
    await file.end()
  }
  await tar.finish()
  output.end()
  return Buffer.concat(await output.toArray())
}

test('files come back as they went, and what is not read is passed over', async () => {
  const bytes = await archive()
  assert.deepEqual(await contents(Readable.from([bytes])), [
    ['a/empty', 0, ''],
    ['a/b', 2000, 'x'.repeat(2000)],
  ])
  const names: string[] = []
  await readTar(Readable.from([bytes]), async ({ name }) => void names.push(name))
  assert.deepEqual(names, ['a/empty', 'a/b'])
})

test('half an archive, or none, is refused', async () => {
  const bytes = await archive()
  for (const input of [
    bytes.subarray(0, 1200),
    bytes.subarray(0, bytes.length - 1024),
    Buffer.from('not a tar '.repeat(100)),
  ]) {
    await assert.rejects(contents(Readable.from([input])), /tar|Tar/)
  }
})

test('sizes beyond 8 GiB are told, and read as they were', async () => {
  const size = 9 * 2 ** 30 + 5
  const output = new PassThrough()
  const tar = await createTarWriter(output)
  const file = tar.file('blobs/sha256/ab/large', size)
  await file.write(Buffer.alloc(10))
  const read: number[] = []
  const reading = readTar(output, async (one) => {
    read.push(one.size)
    throw new Error('seen enough')
  })
  await assert.rejects(reading, /seen enough/)
  assert.deepEqual(read, [size])
  tar.abort(new Error('given up'))
})

test('an output that breaks says so', async () => {
  const output = new PassThrough()
  const tar = await createTarWriter(output)
  output.destroy(new Error('nobody reads any more'))
  const file = tar.file('a', 3)
  const write = async (): Promise<void> => {
    await file.write(Buffer.from('abc'))
    await file.end()
    await tar.finish()
  }
  await assert.rejects(write, /nobody reads any more|premature|Premature/)
})
