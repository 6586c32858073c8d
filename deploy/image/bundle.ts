/**
 * The program as few files: one bundle for itself, and one for each of its threads. A bundle is one script, and not a
 * module, since V8 can be given what it compiled of a script before. What is imported when it is needed is evaluated
 * when it is needed, as in the sources.
 */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { build, type BuildResult, type Plugin } from 'esbuild'

type Bundles = {
  /** Name → code. `main` is the program; threads are named by their source, e.g. `metadata/sqlite/writer-thread`. */
  code: Map<string, string>
  /** The files below `node_modules/` that are in it, from the repository's root. */
  foreign: string[]
}

type Built = BuildResult<{ write: false; metafile: true }>

/** What Node.js runs: identifiers stay, so that a stack trace can be read. */
const OPTIONS = {
  bundle: true,
  write: false,
  metafile: true,
  platform: 'node',
  target: 'node26',
  format: 'cjs',
  // One byte a letter, in memory too.
  charset: 'ascii',
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: 'none',
  // What the repository's own says to the type checker does not count.
  tsconfigRaw: { compilerOptions: { strict: true, target: 'esnext' } },
  logLevel: 'silent',
  // Names of files stand in the code: those of the repository, wherever its packages are.
  preserveSymlinks: true,
  supported: { 'dynamic-import': false },
  banner: { js: '(function (require, module, urlOf) {' },
  footer: { js: '})' },
} as const

/** @param root of the repository */
export async function bundleProgram(root: string): Promise<Bundles> {
  const src = join(root, 'src')
  const code = new Map<string, string>()
  const foreign = new Set<string>()
  const threads = new Set<string>()
  const plugin = placesOfSources({ src, threads })
  const take = (built: Built): void => {
    for (const { path, text } of built.outputFiles)
      code.set(
        relative(root, path)
          .replace(/\.js$/, '')
          .replace(/^out\//, ''),
        text,
      )
    for (const path of Object.keys(built.metafile.inputs))
      if (path.includes('node_modules/')) foreign.add(path)
  }
  const bundle = (entryPoints: Record<string, string>): Promise<Built> =>
    build({ ...OPTIONS, entryPoints, absWorkingDir: root, outdir: 'out', plugins: [plugin] })
  take(await bundle({ main: 'src/main.ts' }))
  // Threads may have threads of their own.
  for (
    let missing = [...threads];
    missing.length > 0;
    missing = [...threads].filter((name) => !code.has(name))
  )
    take(await bundle(Object.fromEntries(missing.map((name) => [name, `src/${name}.ts`]))))
  // esbuild reads files in no order, and so finds threads in none.
  const sorted = [...code].sort(([a], [b]) => (a < b ? -1 : 1))
  return { code: new Map(sorted), foreign: [...foreign].sort() }
}

/** A small program of the image itself, as a file that Node.js runs as it is. */
export async function bundleFile(root: string, source: string, banner = ''): Promise<string> {
  const options = { ...OPTIONS, banner: { js: banner }, footer: {}, absWorkingDir: root }
  const { outputFiles } = await build({ ...options, entryPoints: [source], outdir: 'out' })
  return outputFiles[0]?.text ?? ''
}

/**
 * `import.meta.url` of a source becomes its place below `sources/` in the image: the code of threads is found beside
 * the source that starts them, and the version above all of them.
 */
function placesOfSources({ src, threads }: { src: string; threads: Set<string> }): Plugin {
  return {
    name: 'places of sources',
    setup(build) {
      build.onLoad({ filter: /\.ts$/ }, ({ path }) => {
        if (!path.startsWith(`${src}/`)) return undefined
        const text = readFileSync(path, 'utf8')
        for (const [, target = ''] of text.matchAll(/new URL\('(\.[^']+)', import\.meta\.url\)/g)) {
          const thread = join(dirname(path), target)
          if (existsSync(`${thread}.ts`)) threads.add(relative(src, thread))
        }
        const place = JSON.stringify(relative(src, path).replace(/\.ts$/, '.js'))
        const contents = text
          .replaceAll(/createRequire\(import\.meta\.url\)\(/g, 'require(')
          .replaceAll('import.meta.url', `urlOf(${place})`)
        return { contents, loader: 'ts' }
      })
    },
  }
}
