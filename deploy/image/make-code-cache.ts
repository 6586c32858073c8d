/**
 * Run by `code-cache.ts` in a process of its own: `node FLAGS make-code-cache.ts FOLDER NAME...`. Writes `NAME.cache`
 * beside each bundle. Of the program that is what a start and its first answer compile; of threads, what a load does.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { Script } from 'node:vm'
import { HOME } from './app-layer.ts'

const [folder = '', ...names] = process.argv.slice(2)
const scripts = new Map(names.map((name) => [name, scriptOf(name)]))
serve(scripts.get('main') as Script, finish)

function scriptOf(name: string): Script {
  return new Script(readFileSync(join(folder, `${name}.js`), 'latin1'), { filename: `/${HOME}/${name}.js` })
}

/** Calls `then` when the registry has given its first answers. */
function serve(script: Script, then: () => void): void {
  const data = mkdtempSync(join(folder, 'data-'))
  process.on('exit', () => rmSync(data, { recursive: true, force: true }))
  process.env['REGISTRY_HTTP_ADDR'] = '127.0.0.1:0'
  process.env['REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY'] = data
  process.env['NODE_DISABLE_COMPILE_CACHE'] = '1'
  process.argv.splice(
    2,
    process.argv.length,
    'serve',
    join(folder, '../../../etc/docker/registry/config.yml'),
  )
  const write = process.stderr.write.bind(process.stderr)
  let said = ''
  process.stderr.write = (text: string | Uint8Array): boolean => {
    said += String(text)
    const [, url] = /listening on (http:[^,\s]+)/.exec(said) ?? []
    if (url !== undefined) {
      process.stderr.write = () => true
      askFirst(url).then(then, (error: unknown) => write(`${String(error)}\n`))
    }
    return true
  }
  process.on('exit', (code) => code !== 0 && write(said))
  const sources = pathToFileURL(`${folder}/sources/`)
  script.runInThisContext()(
    createRequire(join(folder, 'main.js')),
    { exports: {} },
    (source: string) => new URL(source, sources).href,
  )
}

/** What clients ask first. */
async function askFirst(url: string): Promise<void> {
  for (const path of ['/v2/', '/v2/none/manifests/latest', '/readyz']) await (await fetch(url + path)).text()
}

function finish(): void {
  // V8 takes a cache only where its flags are those that it was made with. These two do not matter to what is in it.
  setFlagsFromString('--hash-seed=0')
  setFlagsFromString('--flush-bytecode')
  for (const [name, script] of scripts)
    writeFileSync(join(folder, `${name}.cache`), script.createCachedData())
  process.kill(process.pid, 'SIGTERM')
}
