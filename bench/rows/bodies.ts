/** Blobs as they are pulled: one of each size, many different ones, and ranges of a large one. */
import { createRandom } from '../../test/lib/content.ts'
import { APP, SIZES, SPREAD, type Content, type SizeName, type SmallSize } from '../content/content.ts'
import type { Asked } from '../tools/figures.ts'
import { BenchFailure } from '../failure.ts'
import type { Goal, Row } from './row.ts'

const CONNECTIONS = [1, 4, 16] as const

function digestOf(content: Content, size: SizeName): string {
  const digest = size === '64m' || size === '1g' ? content.large[size] : content.blobs[size].digest
  if (digest === undefined) throw new BenchFailure(`the blob of ${size} was not seeded`)
  return digest
}

const pathOf = (content: Content, size: SizeName): string => `/v2/${APP}/blobs/${digestOf(content, size)}`

const goals: Partial<Record<SizeName, (connections: number) => Goal | undefined>> = {
  '4k': (connections) => (connections === 16 ? { wall: 3 } : undefined),
  '1m': (connections) => (connections === 16 ? { wall: 1.1 } : undefined),
  '64m': () => ({ wall: 1.25, cpu: 0.9 }),
  '1g': () => ({ wall: 1.25, cpu: 0.9 }),
}
const QUICK: ReadonlySet<string> = new Set(['blob-4k-c16', 'blob-1m-c16', 'blob-64m-c4'])

const PARTS = {
  '4k': ['app'],
  '64k': ['app'],
  '1m': ['app'],
  '64m': ['blob-64m'],
  '1g': ['blob-1g'],
} as const

function blobRow(size: SizeName, connections: number): Row {
  const name = `blob-${size}-c${connections}`
  const goal = goals[size]?.(connections)
  return {
    name,
    title: `GET blob ${size}, ${connections} at once`,
    parts: PARTS[size],
    load: {
      kind: 'pull',
      connections,
      perByte: true,
      asked: (content) => [{ method: 'GET', path: pathOf(content, size), status: 200, length: SIZES[size] }],
    },
    checks: (content) => [{ path: pathOf(content, size), digest: digestOf(content, size) }],
    quick: QUICK.has(name),
    ...(goal && { goal }),
  }
}

function spreadRow(size: SmallSize, connections: number): Row {
  return {
    name: `spread-${size}-c${connections}`,
    title: `GET blob ${size}, each another one, ${connections} at once`,
    parts: [`spread-${size}`],
    load: {
      kind: 'pull',
      connections,
      perByte: true,
      asked: (content) =>
        Array.from({ length: content.counts.spread }, (_, index) => ({
          method: 'GET',
          path: `/v2/${SPREAD}/blobs/${content.spread(size, index).digest}`,
          status: 200,
          length: SIZES[size],
        })),
    },
    checks: (content) => {
      const { digest } = content.spread(size, content.counts.spread - 1)
      return [{ path: `/v2/${SPREAD}/blobs/${digest}`, digest }]
    },
  }
}

/** 256 ranges of the 64 MiB blob, at places that are the same in each run. */
function ranges(length: number) {
  return (content: Content): Asked[] => {
    const random = createRandom(length)
    const path = pathOf(content, '64m')
    return Array.from({ length: 256 }, () => {
      const from = random.between(0, SIZES['64m'] - length)
      return { method: 'GET', path, status: 206, length, header: `Range: bytes=${from}-${from + length - 1}` }
    })
  }
}

function rangeRow(name: string, length: number, connections: number): Row {
  return {
    name: `range-${name}-c${connections}`,
    title: `GET ranges of ${name} of a 64 MiB blob, ${connections} at once`,
    parts: ['blob-64m'],
    load: { kind: 'pull', asked: ranges(length), connections, perByte: true },
    checks: (content) => [
      {
        path: pathOf(content, '64m'),
        header: `Range: bytes=0-${SIZES['64m'] - 1}`,
        status: 206,
        digest: digestOf(content, '64m'),
      },
    ],
  }
}

export function bodyRows(): Row[] {
  const sizes: SizeName[] = ['4k', '64k', '1m', '64m', '1g']
  const spread: SmallSize[] = ['4k', '64k', '1m']
  return [
    ...sizes.flatMap((size) => CONNECTIONS.map((connections) => blobRow(size, connections))),
    ...spread.flatMap((size) => CONNECTIONS.map((connections) => spreadRow(size, connections))),
    rangeRow('64k', SIZES['64k'], 16),
    rangeRow('1m', SIZES['1m'], 4),
    rangeRow('1m', SIZES['1m'], 16),
  ]
}
