/** What lies in the repositories of the matrix, and what must never be seen of it. */
import { blobOf, imageOf, type Blob, type Manifest, descriptorOf } from '../lib/content.ts'
import { expectStatus, type RegistryClient } from '../lib/registry-client.ts'

export type Content = {
  layer: Blob
  image: Manifest
  /** Has the image as its subject. */
  referrer: Manifest
  /** Of the image. */
  tag: string
}

/** Sizes that stand nowhere else, so that they can be searched for. */
export function contentOf(seed: string, size: number): Content {
  const layer = blobOf(`${seed} layer`, size)
  const config = blobOf(`${seed} config`, size + 1)
  const annotations = { padding: 'x'.repeat(size / 2) }
  const image = imageOf(config, [layer], { annotations })
  const subject = descriptorOf(image)
  return {
    layer,
    image,
    referrer: imageOf(config, [], { subject, artifactType: `application/x.${seed}` }),
    tag: `tag-of-${seed}`,
  }
}

const configOf = (seed: string, size: number): Blob => blobOf(`${seed} config`, size + 1)

export async function pushContent(
  client: RegistryClient,
  repository: string,
  seed: string,
  size: number,
): Promise<Content> {
  const content = contentOf(seed, size)
  for (const blob of [content.layer, configOf(seed, size)]) {
    expectStatus(await client.pushBlob(repository, blob, 'post'), 201)
  }
  expectStatus(await client.putManifest(repository, content.tag, content.image), 201)
  expectStatus(await client.putManifest(repository, content.referrer.digest, content.referrer), 201)
  return content
}

/** All that an answer about this content could hold; a number is looked for as one, not as a part of a digest. */
export function wordsOf(repository: string, { layer, image, referrer, tag }: Content): string[] {
  const document = JSON.parse(image.bytes.toString()) as { config: { digest: string; size: number } }
  return [
    repository,
    tag,
    referrer.digest,
    image.digest,
    layer.digest,
    document.config.digest,
    `${document.config.size}`,
    `${layer.bytes.length}`,
    `${image.bytes.length}`,
    `application/x.${tag.slice('tag-of-'.length)}`,
    layer.bytes.toString('latin1', 0, 16),
  ]
}

export function tellsOf(text: string, word: string): boolean {
  return /^\d+$/.test(word) ? new RegExp(`(?<![0-9a-f])${word}(?![0-9a-f])`).test(text) : text.includes(word)
}
