/** The whole of it: packages → layers → images → files. */
import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { aboutSource } from './about.ts'
import { appLayer } from './app-layer.ts'
import { download, openApt } from './apt.ts'
import type { Architecture } from './architectures.ts'
import { baseLayer, PACKAGES } from './base-layer.ts'
import { canMakeCodeCache, codeCache } from './code-cache.ts'
import type { About } from './image-config.ts'
import { createLayers, type Layer } from './layers.ts'
import { createImage, writeArchive, writeLayout, type Image } from './layout.ts'
import { nodeLayer } from './node-package.ts'
import type { Options } from './options.ts'
import type { Entries } from './tar.ts'

/** What the archives name the image. */
const REPOSITORY = 'berth'

export type Built = {
  images: Image[]
  about: About
  /** The folder of the OCI layout. */
  layout: string
  /** The digest of the index that the layout names. */
  digest: string
  /** The path of each archive. */
  archives: Map<Architecture, string>
}

/**
 * @param root of the repository; relative folders of `options` are below it
 * @param say is told what goes on
 * @throws BuildError saying what is missing
 */
export async function buildImages(
  root: string,
  options: Options,
  say: (text: string) => void,
): Promise<Built> {
  const cache = resolve(root, options.cache)
  const out = resolve(root, options.out)
  for (const folder of [cache, out]) mkdirSync(folder, { recursive: true })
  const about = aboutSource(root, options.revision)
  const layers = createLayers(cache)
  const parts = await findParts({ root, cache, options, say })
  const images = await Promise.all(
    options.architectures.map(async (architecture) => {
      const { base, node, app } = await parts(architecture)
      say(`${architecture}: compressing`)
      const made: Layer[] = await Promise.all([
        layers.layerOf('Debian', base),
        layers.layerOf('Node.js', node),
        layers.layerOf('Berth', app),
      ])
      return createImage(made, architecture, about)
    }),
  )
  say('writing')
  const layout = join(out, 'image')
  const digest = writeLayout(layout, images, about)
  const archives = new Map<Architecture, string>()
  for (const image of images) {
    const path = join(out, `berth-image-${image.architecture}.tar`)
    await writeArchive(path, image, { repository: REPOSITORY, tags: [about.version, 'latest'] })
    archives.set(image.architecture, path)
  }
  layers.tidy()
  return { images, about, layout, digest, archives }
}

type Parts = { base: Entries; node: Entries; app: Entries }

/** What is one for all architectures is made once. */
async function findParts({
  root,
  cache,
  options,
  say,
}: {
  root: string
  cache: string
  options: Options
  say: (text: string) => void
}): Promise<(architecture: Architecture) => Promise<Parts>> {
  say("asking Debian's mirror for packages")
  const apt = await openApt({ folder: join(cache, 'apt'), mirror: options.mirror })
  const debs = new Map<Architecture, string[]>()
  for (const architecture of options.architectures) {
    debs.set(architecture, await download(apt, PACKAGES, architecture))
    say(`${architecture}: ${debs.get(architecture)?.length} packages of Debian`)
  }
  say('bundling the program')
  const { entries, bundles } = await appLayer(root)
  return async (architecture) => {
    const base = await baseLayer(debs.get(architecture) ?? [])
    const node = await nodeLayer({ root, cache, architecture })
    say(`${architecture}: Node.js`)
    const app: Entries = new Map(entries)
    if (canMakeCodeCache(root, architecture)) {
      for (const [path, entry] of await codeCache(entries, bundles)) app.set(path, entry)
      say(`${architecture}: what V8 compiles of the program`)
    } else say(`${architecture}: compiled at each start: only Node.js for ${architecture} can do it before`)
    return { base, node, app }
  }
}
