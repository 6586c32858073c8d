/** The names and manifests that a filled database holds; each is found again from its number. */
import { digestOf, imageOf, type Blob, type Manifest } from '../../test/lib/content.ts'

/** Has as many manifests and tags as the size says. */
export const ONE = 'grow/one'
/** And there are as many repositories like this one, each with one tag. */
export const repositoryName = (index: number): string => `many/r${String(index).padStart(8, '0')}`
export const tagName = (index: number): string => `t${String(index).padStart(8, '0')}`
/** Tags of manifests that are there to be deleted, some in each round. */
export const spareTag = (index: number): string => `spare-${index}`
export const DELETED = 20
export const LATEST = 'latest'

/** Only rows: nobody asks for the bytes of these blobs. */
function madeUp(name: string): Blob {
  return { bytes: Buffer.alloc(4096), digest: digestOf(Buffer.from(name)) }
}

export const CONFIG: Blob = madeUp('config')
const layerOf = (name: string): Blob => madeUp(`layer ${name}`)

/** A manifest and the one layer that only it names. */
export function manifestNamed(name: string): { manifest: Manifest; layer: Blob } {
  const layer = layerOf(name)
  return { layer, manifest: imageOf(CONFIG, [layer], { annotations: { 'org.example.name': name } }) }
}
