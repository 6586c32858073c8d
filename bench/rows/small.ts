/** Small requests: `/v2/`, manifests by tag and digest, and whether a blob is there. */
import { APP, TAG, type Content } from '../content/content.ts'
import type { Check } from '../content/verify.ts'
import type { Asked } from '../tools/figures.ts'
import { ACCEPT_MANIFESTS, type Goal, type Load, type Row } from './row.ts'

const CONNECTIONS = [1, 16, 64, 256] as const

function manifest(method: 'GET' | 'HEAD', by: 'tag' | 'digest') {
  return (content: Content): Asked => {
    const { bytes, digest } = content.image.manifest
    const path = `/v2/${APP}/manifests/${by === 'tag' ? TAG : digest}`
    return { method, path, status: 200, length: bytes.length, header: ACCEPT_MANIFESTS }
  }
}

function blobHead(content: Content): Asked {
  const { bytes, digest } = content.blobs['1m']
  return { method: 'HEAD', path: `/v2/${APP}/blobs/${digest}`, status: 200, length: bytes.length }
}

const checkManifest = (content: Content): Check[] =>
  [TAG, content.image.manifest.digest].map((reference) => ({
    path: `/v2/${APP}/manifests/${reference}`,
    header: ACCEPT_MANIFESTS,
    digest: content.image.manifest.digest,
  }))
const checkBlob = (content: Content): Check[] => {
  const { digest } = content.blobs['1m']
  return [{ path: `/v2/${APP}/blobs/${digest}`, digest }]
}

type Small = {
  name: string
  title: string
  asked: (content: Content) => Asked
  checks: Row['checks']
  hasGoal: boolean
  quick: readonly number[]
}

const SMALL: readonly Small[] = [
  {
    name: 'ping',
    title: 'GET /v2/',
    asked: () => ({ method: 'GET', path: '/v2/', status: 200 }),
    checks: () => [{ path: '/v2/' }],
    hasGoal: false,
    quick: [],
  },
  {
    name: 'manifest-tag-get',
    title: 'GET manifest by tag',
    asked: manifest('GET', 'tag'),
    checks: checkManifest,
    hasGoal: true,
    quick: [1, 16],
  },
  {
    name: 'manifest-digest-get',
    title: 'GET manifest by digest',
    asked: manifest('GET', 'digest'),
    checks: checkManifest,
    hasGoal: true,
    quick: [],
  },
  {
    name: 'manifest-tag-head',
    title: 'HEAD manifest by tag',
    asked: manifest('HEAD', 'tag'),
    checks: checkManifest,
    hasGoal: true,
    quick: [16],
  },
  {
    name: 'manifest-digest-head',
    title: 'HEAD manifest by digest',
    asked: manifest('HEAD', 'digest'),
    checks: checkManifest,
    hasGoal: true,
    quick: [],
  },
  {
    name: 'blob-head',
    title: 'HEAD blob',
    asked: blobHead,
    checks: checkBlob,
    hasGoal: true,
    quick: [16],
  },
]

/** With one connection the round trip counts, and not only what the server costs. */
const goalFor = (connections: number): Goal => (connections === 1 ? { wall: 1.3 } : { wall: 3, cpu: 0.3 })

function loadOf(small: Small, connections: number): Load {
  const isHead = small.name.endsWith('-head')
  return isHead // wrk 4.1 counts no answers to a HEAD
    ? { kind: 'pull', asked: (content) => [small.asked(content)], connections, perByte: false }
    : { kind: 'get', asked: small.asked, connections }
}

export function smallRows(): Row[] {
  return SMALL.flatMap((small) =>
    CONNECTIONS.map((connections) => ({
      name: `${small.name}-c${connections}`,
      title: `${small.title}, ${connections} connection${connections === 1 ? '' : 's'}`,
      parts: ['app'] as const,
      load: loadOf(small, connections),
      checks: small.checks,
      quick: small.quick.includes(connections),
      ...(small.hasGoal && connections !== 256 && { goal: goalFor(connections) }),
    })),
  )
}
