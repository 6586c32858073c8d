/** What `npm pack` gives, installed in an empty folder and used as other projects use it. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** The Node that runs this test comes first, as it does for whoever has a new one. */
const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env['PATH']}` }

const PROGRAM = `
import { createHash } from 'node:crypto'
import { startRegistry } from 'berth'
const body = Buffer.alloc(600_000, 7) // enough for the hashing thread
const digest = 'sha256:' + createHash('sha256').update(body).digest('hex')
for (const options of [{}, { folder: './some data' }]) {
  const registry = await startRegistry(options)
  const pushed = await fetch(registry.url + '/v2/a/blobs/uploads/?digest=' + digest, { method: 'POST', body })
  const pulled = await fetch(registry.url + '/v2/a/blobs/' + digest)
  console.log(pushed.status, pulled.status, Buffer.from(await pulled.arrayBuffer()).equals(body))
  await registry.close()
}
`

const TYPED = `
import { startRegistry, type StartedRegistry } from 'berth'
export async function use(): Promise<string> {
  const registry: StartedRegistry = await startRegistry({ folder: 'x', port: 0 })
  // @ts-expect-error there is no such option
  await startRegistry({ fodler: 'x' })
  return registry.url
}
`

test(
  'packed, installed in an empty folder, imported, run and type-checked',
  { timeout: 180_000 },
  async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'berth-package-'))
    t.after(() => rm(folder, { recursive: true, force: true }))
    await run('npm', ['pack', '--pack-destination', folder], { cwd: ROOT, env })
    const [tarball = ''] = await readdir(folder)
    await writeFile(join(folder, 'package.json'), '{"type":"module"}')
    await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', `./${tarball}`], {
      cwd: folder,
      env,
    })

    await writeFile(join(folder, 'program.js'), PROGRAM)
    const { stdout } = await run(process.execPath, ['program.js'], { cwd: folder, env, timeout: 60_000 })
    assert.equal(stdout, '201 200 true\n201 200 true\n')

    const version = await run('npx', ['--no-install', 'berth', '--version'], { cwd: folder, env })
    assert.match(version.stdout, /^berth \d+\.\d+\.\d+\n$/)

    await writeFile(join(folder, 'typed.ts'), TYPED)
    const tsc = join(ROOT, 'node_modules/.bin/tsc')
    await run(
      tsc,
      ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'esnext', '--types', '', 'typed.ts'],
      {
        cwd: folder,
        env,
      },
    )
  },
)
