/** Runs a bundle of the image: one script, with what V8 has compiled of it before. */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { Script } from 'node:vm'

/** A bundle is a function of these: see `deploy/image/bundle.ts`. */
type Bundle = (
  require: NodeJS.Require,
  module: { exports: object },
  urlOf: (source: string) => string,
) => void

/**
 * Node.js's own cache of compiled code is one folder a user and a kind of processor, and wants to be written. This one
 * is read by any user, and V8 passes over it where it does not fit.
 *
 * @param name of the bundle, beside this file
 */
export function load(folder: string, name: string): void {
  const file = `${folder}/${name}.js`
  const cache = `${folder}/${name}.cache`
  const script = new Script(readFileSync(file, 'latin1'), {
    filename: file,
    ...(existsSync(cache) && { cachedData: readFileSync(cache) }),
  })
  const bundle = script.runInThisContext() as Bundle
  const sources = pathToFileURL(`${folder}/sources/`)
  bundle(createRequire(file), { exports: {} }, (source) => new URL(source, sources).href)
}
