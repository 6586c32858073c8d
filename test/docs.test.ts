/** The pages: links lead somewhere, and scripts, commands and files that are named exist. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const PAGES = [...globSync('*.md', { cwd: ROOT }), ...globSync('docs/*.md', { cwd: ROOT })].sort()
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

/** Fenced blocks of one language. */
function blocks(text: string, language: string): string[] {
  return [...text.matchAll(/^ *```(\w+)\n(.*?)^ *```$/gms)]
    .filter(([, name]) => name === language)
    .map(([, , body = '']) => body)
}
const withoutBlocks = (text: string): string => text.replace(/^ *```.*?^ *```$/gms, '')

/** As code hosts make them of headings. */
function anchors(text: string): Set<string> {
  const headings = withoutBlocks(text).matchAll(/^#+ (.+)$/gm)
  return new Set(
    [...headings].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  )
}

test('links between pages lead to a file and a heading', () => {
  assert.ok(PAGES.length >= 10, PAGES.join(' '))
  const broken: string[] = []
  for (const page of PAGES) {
    for (const [, target = ''] of withoutBlocks(read(page)).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue
      const [path = '', anchor] = target.split('#')
      const file = path === '' ? page : join(dirname(page), path)
      if (!existsSync(join(ROOT, file))) broken.push(`${page}: ${target}: no such file`)
      else if (anchor !== undefined && !anchors(read(file)).has(anchor))
        broken.push(`${page}: ${target}: no such heading`)
    }
  }
  assert.deepEqual(broken, [])
})

test('every page is in the index of docs', () => {
  const index = read('docs/README.md')
  const missing = PAGES.filter((page) => page.startsWith('docs/') && page !== 'docs/README.md').filter(
    (page) => !index.includes(`(${page.slice('docs/'.length)})`),
  )
  assert.deepEqual(missing, [])
})

test('npm scripts that are named exist, and all are explained', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  const broken: string[] = []
  for (const page of PAGES) {
    for (const [, name = ''] of read(page).matchAll(/\bnpm (?:run )?(start|test|(?<=run )[a-z:]+)/g)) {
      if (!(name in scripts)) broken.push(`${page}: npm run ${name}`)
    }
  }
  assert.deepEqual(broken, [])
  const contributing = read('CONTRIBUTING.md')
  const unexplained = Object.keys(scripts).filter(
    (name) => !RegExp(`\\| \`npm (run )?${name}\``).test(contributing),
  )
  assert.deepEqual(unexplained, [])
})

test('commands of berth that are named exist', () => {
  const broken: string[] = []
  for (const page of PAGES) {
    for (const [, command = '', verb = ''] of read(page).matchAll(
      /(?:`|\bnpx |^)berth ([a-z][a-z-]*)(?: ([a-z]+))?/gm,
    )) {
      const help = helpOf(command)
      if (help === undefined || (command === 'config' && verb !== '' && !help.includes(`config ${verb} `)))
        broken.push(`${page}: berth ${command} ${verb}`)
    }
  }
  assert.deepEqual(broken, [])
})

const helps = new Map<string, string | undefined>()
function helpOf(command: string): string | undefined {
  if (!helps.has(command)) {
    try {
      const args = [join(ROOT, 'src/main.ts'), command, '--help']
      helps.set(command, execFileSync(process.execPath, args, { encoding: 'utf8', stdio: 'pipe' }))
    } catch {
      helps.set(command, undefined)
    }
  }
  return helps.get(command)
}

test('what stands in blocks of sh can be read by a shell', () => {
  for (const page of PAGES) {
    for (const block of blocks(read(page), 'sh')) {
      assert.doesNotThrow(
        () => execFileSync('sh', ['-n'], { input: block, stdio: 'pipe' }),
        `${page}:\n${block}`,
      )
    }
  }
})

test('files that ARCHITECTURE.md and CONTRIBUTING.md name are there', () => {
  const broken: string[] = []
  for (const page of ['ARCHITECTURE.md', 'CONTRIBUTING.md']) {
    for (const [, path = ''] of read(page).matchAll(/`((?:\w+\/)*[\w.*-]+\.(?:ts|sh))`/g)) {
      if (/^(?:x|index)\.|^\.ts/.test(path.split('/').at(-1) ?? '')) continue
      if (globSync([path, `src/${path}`, `src/**/${path}`], { cwd: ROOT }).length === 0)
        broken.push(`${page}: ${path}`)
    }
  }
  assert.deepEqual(broken, [])
})
