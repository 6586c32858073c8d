/** The licences of what others wrote and the bundles have in them. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const LICENCE_FILE = /^(?:licen[cs]e|copying|notice)(?:[.-].*)?$/i

/**
 * @param foreign files below `node_modules/`, from `root`
 * @returns one text
 * @throws Error where a package has no licence to be found
 */
export function licencesOf(root: string, foreign: readonly string[]): string {
  const packages = new Set(foreign.map(packageOf))
  return [...packages]
    .sort()
    .map((folder) => licenceOf(join(root, folder)))
    .join('\n')
}

/** `node_modules/a/node_modules/@b/c/d.js` → `node_modules/a/node_modules/@b/c`. */
export function packageOf(path: string): string {
  const [found] = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path) ?? []
  if (found === undefined) throw new Error(`${path} is in no package`)
  return found
}

function licenceOf(folder: string): string {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    name: string
    version: string
    license?: string
  }
  const files = readdirSync(folder)
    .filter((file) => LICENCE_FILE.test(file))
    .sort()
  const texts = files.map((file) => readFileSync(join(folder, file), 'utf8').trim())
  if (license === undefined && texts.length === 0) throw new Error(`${name} ${version} has no licence`)
  const title = `${name} ${version}${license === undefined ? '' : ` (${license})`}`
  return [title, '-'.repeat(title.length), ...texts, ''].join('\n\n')
}

/** The licence of this repository, where it has one. */
export function ownLicence(root: string): string {
  const path = join(root, 'LICENSE')
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}
