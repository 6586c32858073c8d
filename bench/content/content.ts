/** What all sides hold before they are measured: the same bytes, from fixed seeds. */
import {
  blobOf,
  descriptorOf,
  digestOf,
  imageOf,
  manifestOf,
  OCI_MANIFEST,
  type Blob,
  type Manifest,
} from '../../test/lib/content.ts'

/** Parts that can be seeded each on its own; a run seeds what its rows ask for. */
export const PARTS = [
  'app',
  'blob-64m',
  'blob-1g',
  'spread-4k',
  'spread-64k',
  'spread-1m',
  'tags',
  'catalog',
  'referrers',
] as const
export type Part = (typeof PARTS)[number]

export const SIZES = { '4k': 2 ** 12, '64k': 2 ** 16, '1m': 2 ** 20, '64m': 2 ** 26, '1g': 2 ** 30 } as const
export type SizeName = keyof typeof SIZES
export type SmallSize = '4k' | '64k' | '1m'
export type LargeSize = '64m' | '1g'

export type Counts = { tags: number; repositories: number; referrers: number; spread: number }
export const FULL: Counts = { tags: 10_000, repositories: 10_000, referrers: 1000, spread: 2000 }
export const QUICK: Counts = { tags: 500, repositories: 300, referrers: 100, spread: 100 }

export const APP = 'bench/app'
export const TAG = 'latest'
export const SPREAD = 'bench/spread'
export const TAGS = 'bench/tags'
export const REFERRERS = 'bench/referrers'
/** Where measured pushes go. */
export const PUSHED = 'bench/pushed'

/** Of the two large blobs, whose bytes the C client makes. */
export const LARGE_SEED = 'the large blob of all sides'

export type Content = {
  counts: Counts
  /** An image of nine blobs; its manifest is about as large as real ones. */
  image: { config: Blob; layers: Blob[]; manifest: Manifest }
  blobs: Record<SmallSize, Blob>
  /** Digests of the large blobs, known once the first side has them. */
  large: Partial<Record<LargeSize, string>>
  /** Made anew each time it is asked for: 2,000 blobs of 1 MiB are not kept. */
  spread(size: SmallSize, index: number): Blob
  tagName(index: number): string
  repositoryName(index: number): string
  /** The manifest that is behind all tags, in all repositories, and the subject of all referrers. */
  small: { config: Blob; layer: Blob; manifest: Manifest }
  referrer(index: number): Manifest
}

const EMPTY_TYPE = 'application/vnd.oci.empty.v1+json'

export function createContent(counts: Counts): Content {
  const config = configOf('an application')
  const layers = Array.from({ length: 8 }, (_, index) => blobOf(`layer ${index}`, SIZES['4k']))
  const smallConfig = configOf('a small one')
  const smallLayer = blobOf('small layer', 1024)
  const small = imageOf(smallConfig, [smallLayer])
  return {
    counts,
    image: { config, layers, manifest: imageOf(config, layers) },
    blobs: {
      '4k': blobOf('the blob of 4k', SIZES['4k']),
      '64k': blobOf('the blob of 64k', SIZES['64k']),
      '1m': blobOf('the blob of 1m', SIZES['1m']),
    },
    large: {},
    spread: (size, index) => blobOf(`spread ${size} ${index}`, SIZES[size]),
    tagName: (index) => `v${String(index).padStart(6, '0')}`,
    repositoryName: (index) => `many/r${String(index).padStart(6, '0')}`,
    small: { config: smallConfig, layer: smallLayer, manifest: small },
    referrer: (index) =>
      manifestOf({
        schemaVersion: 2,
        mediaType: OCI_MANIFEST,
        artifactType: 'application/vnd.example.note.v1+json',
        config: descriptorOf(EMPTY, EMPTY_TYPE),
        layers: [descriptorOf(EMPTY, EMPTY_TYPE)],
        subject: descriptorOf(small),
        annotations: { 'org.example.number': String(index) },
      }),
  }
}

/** The empty descriptor's bytes (image-spec, manifest.md). */
export const EMPTY: Blob = {
  bytes: Buffer.from('{}'),
  digest: 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a',
}

function configOf(name: string): Blob {
  const text = JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    config: { Labels: { name } },
    rootfs: { type: 'layers', diff_ids: [] },
  })
  return { bytes: Buffer.from(text), digest: digestOf(Buffer.from(text)) }
}
