/** `npm run check`: types, lint, format, walls, and generated documents that are current. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { referencePage } from '../src/config/reference.ts'

const STEPS: readonly [name: string, command: readonly string[]][] = [
  ['types', ['tsc', '-p', '.']],
  ['lint', ['oxlint', '--type-aware', '--deny-warnings', 'src', 'test', 'bench', 'deploy']],
  ['format', ['prettier', '--check', '--log-level', 'warn', '.']],
  ['walls', [process.execPath, '--test', '--test-reporter', 'dot', 'test/rooms.test.ts']],
]

let failed = 0
for (const [name, [program = '', ...args]] of STEPS) {
  const began = Date.now()
  const { status } = spawnSync(program, args, { stdio: 'inherit' })
  tell(name, status === 0, began)
}
const began = Date.now()
tell(
  'generated docs (npm run docs)',
  readFileSync('docs/configuration.md', 'utf8') === referencePage(),
  began,
)
process.exitCode = failed === 0 ? 0 : 1

function tell(name: string, isGood: boolean, since: number): void {
  if (!isGood) failed++
  process.stdout.write(
    `${isGood ? 'ok' : 'FAILED'}  ${name}  ${((Date.now() - since) / 1000).toFixed(1)} s\n`,
  )
}
