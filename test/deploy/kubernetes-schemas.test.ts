/**
 * Every object is what the API of Kubernetes takes, by the schemas of the API itself: fields that it does not know fail.
 * The oldest and the newest version that there are schemas of, and one between.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { promisify } from 'node:util'
import { clientsPath, missingClients } from '../clients/workplace.ts'
import { programPath } from '../lib/prerequisite.ts'
import { temporaryFolder } from '../lib/temporary.ts'
import {
  BASE,
  buildKustomization,
  COMPONENTS,
  EXAMPLE,
  plainManifests,
  writeOverlay,
  yamlFiles,
} from './kubernetes-manifests.ts'

const VERSIONS = ['1.25', '1.31', '1.37']
/** Where test/clients/install.sh puts it. */
const PYTHON = clientsPath('python')

const run = promisify(execFile)

function missingSchemas(): string | false {
  if (existsSync(join(PYTHON, 'kubernetes_validate')) && programPath('python3') !== undefined) return false
  const reason = 'SKIPPED: kubernetes-validate is not on this machine (test/clients/install.sh installs it)'
  if (process.env['CI']) throw new Error(reason)
  return reason
}
const skip = missingSchemas()
const noKustomize = missingClients(['kustomize'], 'optional')

type Verdict = { good: number; bad: string }

async function validate(version: string, files: readonly string[]): Promise<Verdict> {
  const args = ['-m', 'kubernetes_validate', '--strict', '-k', version, ...files]
  const options = {
    env: { ...process.env, PYTHONPATH: PYTHON, PYTHONDONTWRITEBYTECODE: '1' },
    timeout: 60_000,
  }
  const said = await run('python3', args, options).catch(
    (error: unknown) => error as Awaited<ReturnType<typeof run>>,
  )
  const lines = `${String(said.stdout)}${String(said.stderr)}`.split('\n')
  const good = lines.filter((line) => line.startsWith('INFO') && line.includes(`against version ${version}`))
  const bad = lines.filter((line) => line !== '' && !line.startsWith('INFO'))
  return { good: good.length, bad: bad.join('\n') }
}

test('every plain manifest', { skip }, async () => {
  const files = [...yamlFiles().keys()].filter((path) => /manifests\/|ingress\.yaml$|restore\//.test(path))
  assert.equal(files.length, plainManifests().length + 2)
  const paths = files.map((path) => join(BASE, '..', path))
  for (const version of VERSIONS)
    assert.deepEqual(await validate(version, paths), { good: files.length, bad: '' }, version)
})

test('what kustomize makes of them', { skip: skip || noKustomize }, async (context) => {
  const folder = temporaryFolder(context, 'schemas')
  const made = [BASE, EXAMPLE, writeOverlay(join(folder, 'all'), COMPONENTS)].map(buildKustomization)
  const files = made.map((text, at) => {
    const path = join(folder, `${at}.yaml`)
    writeFileSync(path, text)
    return path
  })
  for (const version of VERSIONS)
    assert.deepEqual(await validate(version, files), { good: 5 + 5 + 6, bad: '' }, version)
})

test('a field that is misspelt, of the wrong type or missing is found', { skip }, async (context) => {
  const good = readFileSync(join(BASE, 'manifests', 'deployment.yaml'), 'utf8')
  const path = join(temporaryFolder(context, 'schemas'), 'deployment.yaml')
  const mistakes: [string, string][] = [
    ['readOnlyRootFilesystem:', 'readOnlyRootFileSystem:'],
    ['containerPort: 5000', 'containerPort: five'],
    ['replicas: 1', 'replicas: [1]'],
    ['  selector:\n', '  selectors:\n'],
    ['periodSeconds:', 'period:'],
  ]
  for (const [from, to] of mistakes) {
    assert.ok(good.includes(from), from)
    writeFileSync(path, good.replace(from, to))
    const { good: passed, bad } = await validate('1.37', [path])
    assert.equal(passed, 0, to)
    assert.match(bad, /ERROR/, to)
  }
})
