/** The layer that changes with each version: the program, its configuration file, its licences. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { bundleFile, bundleProgram } from './bundle.ts'
import { licencesOf, ownLicence } from './licences.ts'
import { textFile, type Entries, type Entry } from './tar.ts'

/** Where the program lies in the image. */
export const HOME = 'usr/lib/berth'
/** The kernel passes one flag on; what it is for: `start` in package.json. */
export const NODE_FLAG = '--min-semi-space-size=4'

const link = (target: string): Entry => ({ kind: 'link', target })

/** The same for all architectures, and without what V8 compiles of it. */
export async function appLayer(root: string): Promise<{ entries: Entries; bundles: Map<string, string> }> {
  const { code, foreign } = await bundleProgram(root)
  const entries: Entries = new Map()
  const put = (path: string, text: string, mode?: number): void => {
    entries.set(path, textFile(text, mode))
  }
  put(
    `${HOME}/registry.js`,
    await bundleFile(root, 'deploy/image/inside/registry.ts', `#!/usr/bin/node ${NODE_FLAG}`),
    0o755,
  )
  put(`${HOME}/load.js`, await bundleFile(root, 'deploy/image/inside/load.ts'))
  put(`${HOME}/package.json`, manifestOf(root))
  const bundles = new Map<string, string>()
  for (const [source, text] of code) {
    const name = source.replaceAll('/', '-')
    bundles.set(name, text)
    put(`${HOME}/${name}.js`, text)
    if (source !== 'main') put(`${HOME}/sources/${source}.js`, threadBegin(source, name))
  }
  for (const name of ['usr/bin/registry', 'usr/bin/berth'])
    entries.set(name, link(`../lib/berth/registry.js`))
  entries.set('entrypoint.sh', link(`${HOME}/registry.js`))
  put('etc/docker/registry/config.yml', readFileSync(join(root, 'deploy/image/config.yml'), 'utf8'))
  // One folder with two names: whichever of them is mounted over, both show it.
  entries.set('etc/distribution', link('docker/registry'))
  // Open to all users: a new volume gets the rights of this folder, and any user may be the one who serves.
  entries.set('var/lib/registry', { kind: 'folder', mode: 0o1777 })
  put('usr/share/doc/berth/LICENSE', ownLicence(root))
  put('usr/share/doc/berth/THIRD-PARTY', licencesOf(root, foreign))
  return { entries, bundles }
}

/** `startThread` begins at the place of the thread's source. */
function threadBegin(source: string, name: string): string {
  const home = source.replaceAll(/[^/]+/g, '..')
  return `require('${home}/load.js').load(require('path').join(__dirname,'${home}'),'${name}')\n`
}

/** What the program reads of it: its version. */
function manifestOf(root: string): string {
  const { name, version, license } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    name: string
    version: string
    license: string
  }
  return `${JSON.stringify({ name, version, license })}\n`
}
