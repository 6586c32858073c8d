/** `npm run build`: `src/` compiled to plain JavaScript with types in `dist/`, and nothing there of sources that are gone. */
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
/** What else is made in `dist/`. */
const OTHERS = /^(?:image|bench)\//

for (const path of globSync('**/*.{js,d.ts}', { cwd: join(ROOT, 'dist') })) {
  const source = path.replace(/\.(?:js|d\.ts)$/, '.ts')
  if (!OTHERS.test(path) && !existsSync(join(ROOT, 'src', source))) rmSync(join(ROOT, 'dist', path))
}
const args = ['-p', join(ROOT, 'tsconfig.build.json')]
const { status } = spawnSync(join(ROOT, 'node_modules/.bin/tsc'), args, { stdio: 'inherit' })
process.exitCode = status ?? 1
