/** Loads of several kinds at once, and the start. */
import { APP, SIZES, TAG, type Content } from '../content/content.ts'
import type { Asked } from '../tools/figures.ts'
import { ACCEPT_MANIFESTS, LOOP_P99, type Row } from './row.ts'

function pulledManifest(content: Content): Asked[] {
  const { bytes } = content.image.manifest
  const path = `/v2/${APP}/manifests/${TAG}`
  return [{ method: 'GET', path, status: 200, length: bytes.length, header: ACCEPT_MANIFESTS }]
}

/** A pull as clients do it: the manifest, then each blob. */
function pulledImage(content: Content): Asked[] {
  const { config, layers } = content.image
  const blobs = [config, ...layers].map(({ digest, bytes }): Asked => ({
    method: 'GET',
    path: `/v2/${APP}/blobs/${digest}`,
    status: 200,
    length: bytes.length,
  }))
  return [...pulledManifest(content), ...blobs]
}

const checks: Row['checks'] = (content) => [
  { path: `/v2/${APP}/manifests/${TAG}`, header: ACCEPT_MANIFESTS, digest: content.image.manifest.digest },
]

export function otherRows(): Row[] {
  return [
    {
      name: 'mixed-c1',
      title: 'pull images, 1 at once, while 4 push 64 MiB',
      parts: ['app'],
      load: { kind: 'mixed', asked: pulledImage, connections: 1, pushers: 4, size: SIZES['64m'] },
      checks,
      goal: { most: 10, figure: LOOP_P99 },
    },
    {
      name: 'mixed-c16',
      title: 'pull images, 16 at once, while 4 push 64 MiB',
      parts: ['app'],
      load: { kind: 'mixed', asked: pulledImage, connections: 16, pushers: 4, size: SIZES['64m'] },
      checks,
      goal: { most: 10, figure: LOOP_P99 },
    },
    {
      name: 'stalled-200',
      title: 'GET manifest, 16 at once, while 200 that asked for 64 MiB do not read',
      parts: ['app', 'blob-64m'],
      load: {
        kind: 'stalled',
        asked: pulledManifest,
        connections: 16,
        stalled: 200,
        of: (content) => ({ method: 'GET', path: `/v2/${APP}/blobs/${content.large['64m']}`, status: 200 }),
      },
      checks,
    },
    {
      name: 'start',
      title: 'start with all repositories, to the first answer',
      parts: ['app', 'catalog'],
      load: { kind: 'start' },
      checks,
      quick: true,
      goal: { most: 150 },
    },
  ]
}
