/** Which image of a layout is meant, and what belongs to it. */
import { type Digest, parseDigest } from '../../oci/digest.ts'
import type { DescriptorFields } from '../../oci/manifest-fields.ts'
import type { Descriptor } from '../../oci/descriptor.ts'
import { printable } from '../printable.ts'
import { type Layout, type LayoutEntry, LayoutError } from './layout.ts'
import { platformFits } from './platform.ts'
import { createManifestReader, DEEPEST, isManifestType, type ReadManifest, tooDeep } from './read-manifest.ts'

export type Choice = {
  name?: string | undefined
  digest?: string | undefined
  /** `linux/arm64`: of an index only that image. */
  platform?: string | undefined
}

const SHOWN = 30

/**
 * @throws LayoutError: there is none such, or more than one; the message lists what there is
 * @throws RegistryError DIGEST_INVALID
 */
export function chooseImage(layout: Layout, choice: Choice): Descriptor {
  const read = createManifestReader(layout)
  const found = named(layout, choice)
  const fitting =
    choice.platform === undefined
      ? found
      : found.flatMap((one) => fittingIn(layout, one, choice.platform as string, read))
  const [first, ...others] = distinct(fitting)
  if (first !== undefined && others.length === 0) return first.descriptor
  if (first === undefined) {
    const there = [...new Set(found.flatMap((one) => platformsOf(one.descriptor, read)))]
    throw new LayoutError(
      `${layout.shown} has no image for ${choice.platform}; it has ${there.map(printable).join(', ') || 'none with a platform'}`,
    )
  }
  const isUnnamed = choice.name === undefined && choice.digest === undefined
  const how = isUnnamed
    ? 'say which: LAYOUT:NAME, LAYOUT@DIGEST or --platform'
    : 'say which with --platform or LAYOUT@DIGEST'
  throw new LayoutError(`${layout.shown} has several images; ${how}\n${listed([first, ...others])}`)
}

/** Of an index its children that fit; of an image itself, where it fits. */
function fittingIn(layout: Layout, entry: LayoutEntry, wanted: string, read: ReadManifest): LayoutEntry[] {
  // Many ways may lead to one index.
  const seen = new Set<Digest>()
  const fitting = (descriptor: DescriptorFields, depth: number): DescriptorFields[] => {
    if (seen.has(descriptor.digest)) return []
    seen.add(descriptor.digest)
    if (depth > DEEPEST) throw tooDeep(layout)
    const { parsed, platform } = read(descriptor)
    if (parsed.kind === 'image') return platformFits(platform(), wanted) ? [descriptor] : []
    return parsed.references
      .map((reference): DescriptorFields => reference.descriptor)
      .filter(({ mediaType }) => isManifestType(mediaType))
      .flatMap((child) => {
        if (child.platform === undefined) return fitting(child, depth + 1)
        return platformFits(child.platform, wanted) ? [child] : []
      })
  }
  return fitting(entry.descriptor, 0).map((descriptor) => ({ descriptor, names: entry.names }))
}

function platformsOf(descriptor: DescriptorFields, read: ReadManifest): string[] {
  const { parsed, platform } = read(descriptor)
  if (parsed.kind === 'image') return [platform()].filter((one) => one !== undefined)
  return parsed.references
    .map(({ descriptor: child }) => child.platform)
    .filter((one) => one !== undefined && !one.startsWith('unknown/')) as string[]
}

function named({ shown, entries }: Layout, { name, digest }: Choice): LayoutEntry[] {
  if (entries.length === 0) throw new LayoutError(`${shown} has no images: its index.json is empty`)
  if (digest !== undefined) {
    const wanted = parseDigest(digest)
    const found = entries.filter(({ descriptor }) => descriptor.digest === wanted)
    if (found.length > 0) return found
    throw new LayoutError(`${shown} has no image ${digest}; it has\n${listed(entries)}`)
  }
  if (name === undefined) return [...entries]
  const exact = entries.filter(({ names }) => names.includes(name))
  // An engine writes app:1 as docker.io/library/app:1; a tag alone is enough where it is the only one.
  const found =
    exact.length > 0
      ? exact
      : entries.filter(({ names }) =>
          names.some((one) => one.endsWith(`:${name}`) || one.endsWith(`/${name}`)),
        )
  if (found.length > 0) return found
  throw new LayoutError(`${shown} has no image called ${JSON.stringify(name)}; it has\n${listed(entries)}`)
}

function distinct(entries: readonly LayoutEntry[]): LayoutEntry[] {
  return [...new Map(entries.map((one) => [one.descriptor.digest, one] as const)).values()]
}

function listed(entries: readonly LayoutEntry[]): string {
  const lines = entries
    .slice(0, SHOWN)
    .map(({ descriptor, names }) =>
      [
        '  ',
        names.map(printable).join(', ') || '(no name)',
        descriptor.platform && `  ${printable(descriptor.platform)}`,
        `  ${descriptor.digest}`,
      ].join(''),
    )
  const more = entries.length > SHOWN ? [`  … and ${entries.length - SHOWN} more`] : []
  return [...lines, ...more].join('\n')
}
