/** Small requests whose answers could be made large by what somebody pushed before. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { image, MANIFEST, sha256, startProtocol, type Protocol } from '../start.ts'

const ABSENT = `sha256:${'0'.repeat(64)}`
const subject = { mediaType: MANIFEST, digest: ABSENT, size: 1 }

async function pushReferrers(server: Protocol, count: number, bytes: number): Promise<string[]> {
  await server.push('r', '{}')
  const digests: string[] = []
  for (let i = 0; i < count; i++) {
    const annotations = { number: `${i}`, much: 'x'.repeat(bytes) }
    const document = image('{}', [], { subject, annotations, artifactType: i % 2 === 0 ? 'a/even' : 'a/odd' })
    const { digest } = await server.pushManifest('r', sha256(JSON.stringify(document)), document)
    digests.push(digest)
  }
  return digests.sort()
}

type Page = { digests: string[]; next: string | undefined; bytes: number }

async function page(server: Protocol, path: string): Promise<Page> {
  const reply = await server.ask(`GET ${path}`)
  assert.equal(reply.status, 200, reply.text.slice(0, 300))
  const { manifests } = JSON.parse(reply.text) as { manifests: { digest: string }[] }
  const next = /^<([^>]+)>; rel="next"$/.exec(String(reply.headers.link))?.[1]
  return { digests: manifests.map(({ digest }) => digest), next, bytes: reply.body.length }
}

async function pages(server: Protocol, path: string): Promise<Page[]> {
  const all: Page[] = []
  for (let next: string | undefined = path; next !== undefined; next = all.at(-1)?.next) {
    all.push(await page(server, next))
  }
  return all
}

test('referrers with large annotations come in several pages, each of them once', async (t) => {
  const server = await startProtocol(t)
  const digests = await pushReferrers(server, 7, 1_500_000)
  const all = await pages(server, `/v2/r/referrers/${ABSENT}`)
  assert.deepEqual(
    all.flatMap((one) => one.digests),
    digests,
  )
  assert.deepEqual(
    all.map((one) => one.digests.length),
    [2, 2, 2, 1],
  )
  for (const { bytes } of all) assert.ok(bytes < 5_000_000, `${bytes}`)
})

test('one that is larger than a page stands alone; filter and n hold beside it', async (t) => {
  const server = await startProtocol(t)
  const digests = await pushReferrers(server, 4, 3_900_000)
  const all = await pages(server, `/v2/r/referrers/${ABSENT}?n=3`)
  assert.deepEqual(
    all.flatMap((one) => one.digests),
    digests,
  )
  const even = await pages(server, `/v2/r/referrers/${ABSENT}?artifactType=a%2Feven`)
  assert.equal(even.flatMap((one) => one.digests).length, 2)
})

test('what is listed under the fallback tag stays in its place between the pages', async (t) => {
  const server = await startProtocol(t)
  const digests = await pushReferrers(server, 4, 2_500_000)
  const listed = image('{}', [], { annotations: { listed: 'by its client' } })
  const { digest, bytes } = await server.pushManifest('r', 'listed', listed)
  await server.pushManifest('r', `sha256-${'0'.repeat(64)}`, {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [{ mediaType: MANIFEST, digest, size: bytes.length }],
  })
  const all = await pages(server, `/v2/r/referrers/${ABSENT}`)
  assert.deepEqual(
    all.flatMap((one) => one.digests),
    [...digests, digest].sort(),
  )
})
