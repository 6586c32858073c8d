/** Tags that nobody touches while others push and delete beside them: they must all be there, always. */
import { blobOf, digestOf, imageOf, type Manifest } from '../lib/content.ts'
import { expectStatus, type RegistryClient } from '../lib/registry-client.ts'
import { APP } from './load.ts'
import { inParallel, type Findings } from './verify.ts'

type StillLife = { tags: Map<string, Manifest> }

export async function pushStillLife(client: RegistryClient, count: number): Promise<StillLife> {
  const config = blobOf('still config', 700)
  const layer = blobOf('still layer', 40_000)
  for (const blob of [config, layer]) expectStatus(await client.pushBlob(APP, blob, 'post-put'), 201)
  const tags = new Map<string, Manifest>()
  for (let index = 0; index < count; index += 1)
    tags.set(
      `still-${index}`,
      imageOf(config, [layer], { annotations: { number: String(Math.floor(index / 2)) } }),
    )
  await inParallel([...tags], 6, async ([tag, manifest]) => {
    expectStatus(await client.putManifest(APP, tag, manifest), 201)
  })
  return { tags }
}

export async function verifyStillLife(
  client: RegistryClient,
  { tags }: StillLife,
  findings: Findings,
): Promise<void> {
  const listed = new Set(await client.listTags(APP))
  await inParallel([...tags], 6, async ([tag, manifest]) => {
    findings.checked += 1
    if (!listed.has(tag)) findings.lost.add(`still life ${tag}: not listed`)
    const answer = await client.getManifest(APP, tag)
    if (answer.status !== 200) findings.lost.add(`still life ${tag}: ${answer.status}`)
    else if (digestOf(answer.body) !== manifest.digest) findings.wrong.add(`still life ${tag}`)
  })
}
