/** Blobs and whole images as they are pushed: always ones that were never there. */
import { SIZES } from '../content/content.ts'
import type { PushShape } from '../tools/client.ts'
import type { Goal, Row } from './row.ts'

const SHAPES: Record<PushShape, string> = {
  patch: 'POST, PATCH in chunks of 32 KiB, PUT',
  put: 'POST, PUT with the body',
  post: 'one POST',
}

function pushRow(size: '64m' | '1g', shape: PushShape, connections: number): Row {
  const name = `push-${size}-${shape}-c${connections}`
  return {
    name,
    title: `push ${size} (${SHAPES[shape]}), ${connections} at once`,
    parts: [],
    load: { kind: 'push', shape, size: SIZES[size], connections, count: countOf(size, connections) },
    checks: () => [],
    quick: name === 'push-64m-patch-c1',
    goal: { wall: connections === 1 ? 1.15 : 1, cpu: 1.2 },
    ...(shape === 'post' && { needs: 'singlePost' as const }),
  }
}

function countOf(size: '64m' | '1g', connections: number): number {
  if (size === '1g') return connections
  return connections === 1 ? 6 : 12
}

type Images = {
  layers: number
  size: '4k' | '1m'
  connections: number
  count: number
  goal?: Goal
  quick?: boolean
}

const IMAGES: readonly Images[] = [
  { layers: 10, size: '4k', connections: 1, count: 40, goal: { wall: 1.2 } },
  { layers: 10, size: '4k', connections: 16, count: 160, goal: { wall: 2.5 }, quick: true },
  { layers: 10, size: '1m', connections: 1, count: 20 },
  { layers: 10, size: '1m', connections: 4, count: 40, goal: { wall: 1.3 } },
  { layers: 10, size: '1m', connections: 16, count: 48 },
  { layers: 64, size: '4k', connections: 1, count: 8 },
  { layers: 64, size: '4k', connections: 4, count: 16 },
]

export function pushRows(): Row[] {
  const blobs = (['64m', '1g'] as const).flatMap((size) =>
    (['patch', 'put', 'post'] as const).flatMap((shape) =>
      [1, 4].map((count) => pushRow(size, shape, count)),
    ),
  )
  const images = IMAGES.map(({ layers, size, connections, count, goal, quick }): Row => ({
    name: `image-${layers}x${size}-c${connections}`,
    title: `push images of ${layers} x ${size}, ${connections} at once`,
    parts: [],
    load: { kind: 'image', layers, size: SIZES[size], connections, count },
    checks: () => [],
    ...(goal && { goal }),
    ...(quick && { quick }),
  }))
  return [...blobs, ...images]
}
