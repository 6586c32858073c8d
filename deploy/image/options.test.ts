import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { temporaryFolder } from '../../test/lib/temporary.ts'
import { help, parseOptions } from './options.ts'

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url))
const NONE = {
  architectures: ['amd64', 'arm64'],
  out: 'dist',
  cache: 'node_modules/.cache/berth-image',
  mirror: undefined,
  revision: undefined,
  isQuiet: false,
}

test('options', () => {
  assert.deepEqual(parseOptions([]), NONE)
  assert.deepEqual(parseOptions(['--arch', 'arm64', '--out', 'x', '--quiet', '--revision', 'r']), {
    ...NONE,
    architectures: ['arm64'],
    out: 'x',
    isQuiet: true,
    revision: 'r',
  })
  assert.deepEqual(parseOptions(['--arch=arm64', '--arch=amd64'])?.architectures, ['amd64', 'arm64'])
  const mirror = { url: 'http://mirror.test/debian', suite: 'trixie' }
  assert.deepEqual(parseOptions(['--mirror', mirror.url, '--suite', mirror.suite])?.mirror, mirror)
  assert.equal(parseOptions(['--help']), undefined)
  const wrong: [string[], RegExp][] = [
    [['--arch', 'riscv64'], /--arch riscv64: the image is made for amd64 and arm64/],
    [['--mirror', 'http://mirror.test'], /belong together/],
    [['--nonsense'], /--nonsense[^]*See --help/],
    [['word'], /word/],
  ]
  for (const [args, message] of wrong) assert.throws(() => parseOptions(args), message)
})

test('a wrong word is one line and an exit code; a missing program is named, with what to install', async (t) => {
  const run = async (args: string[], env = process.env) => {
    const ended = promisify(execFile)(process.execPath, [MAIN, ...args], { env, timeout: 20_000 })
    return ended.then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      (error: { code: number; stdout: string; stderr: string }) => error,
    )
  }
  assert.equal((await run(['--help'])).stdout, help)
  const wrong = await run(['--arch', 'vax'])
  assert.equal(wrong.code, 1)
  assert.equal(wrong.stderr, 'npm run image: --arch vax: the image is made for amd64 and arm64\n')
  const folder = temporaryFolder(t, 'image-options')
  const nowhere = { ...process.env, PATH: '/nowhere' }
  const missing = await run(['--out', folder, '--cache', folder, '--quiet'], nowhere)
  assert.equal(missing.code, 1)
  assert.match(missing.stderr, /^npm run image: apt-get is not on this machine: install .*\n$/)
})
