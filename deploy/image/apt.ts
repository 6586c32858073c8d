/**
 * Debian's packages by a private folder of apt's: the machine's own sources, keys and proxies, but other lists, so that
 * nothing of the machine's apt changes and no root is needed. Signatures and digests are checked by apt.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BuildError, run } from './run.ts'
import type { Architecture } from './architectures.ts'

/** Where packages come from, where it is not the machine's own sources: `--mirror URL --suite bookworm`. */
export type Mirror = { url: string; suite: string }

type Apt = { folder: string; conf: string }

/** How long lists of packages are good for; then the mirror is asked whether they have changed. */
const FRESH_MS = 60 * 60_000

/** @throws BuildError where no source of packages is known, or apt fails */
export async function openApt({
  folder,
  mirror,
}: {
  folder: string
  mirror?: Mirror | undefined
}): Promise<Apt> {
  const sources = mirror === undefined ? await machineSources() : mirrorSources(mirror)
  for (const name of ['lists/partial', 'state', 'cache/archives/partial', 'debs', 'empty'])
    mkdirSync(join(folder, name), { recursive: true })
  const conf = join(folder, 'apt.conf')
  const list = join(folder, 'sources.list')
  const text = `${sources.join('\n')}\n`
  const isSame = existsSync(list) && readFileSync(list, 'utf8') === text
  writeFileSync(list, text)
  writeFileSync(join(folder, 'state/status'), '')
  writeFileSync(conf, confOf(folder))
  const apt = { folder, conf }
  const fresh = join(folder, 'fresh')
  const isFresh = isSame && existsSync(fresh) && Date.now() - statSync(fresh).mtimeMs < FRESH_MS
  if (!isFresh) {
    rmSync(fresh, { force: true })
    await call(apt, 'apt-get', ['-qq', '-o', 'APT::Update::Error-Mode=any', 'update'])
    writeFileSync(fresh, '')
  }
  return apt
}

/**
 * The newest of each package, and what they are named after that only has their licences (gcc-12-base).
 * @returns the paths of the .deb files, in the order of their names
 */
export async function download(
  apt: Apt,
  names: readonly string[],
  architecture: Architecture,
): Promise<string[]> {
  // Not by names like `tzdata:arm64`: what is the same for all architectures has none of these.
  const own = [`APT::Architecture=${architecture}`, `Dir::Cache::PkgCache=packages-${architecture}.bin`]
  const flags = own.flatMap((setting) => ['-o', setting])
  const depends = await call(apt, 'apt-cache', [...flags, 'depends', 'libgcc-s1'])
  const base = /gcc-\d+-base/.exec(depends)?.[0]
  const all = [...names, ...(base === undefined ? [] : [base])].sort()
  const cwd = join(apt.folder, 'debs')
  // Where a package lies already, apt does not tell of it.
  const empty = join(apt.folder, 'empty')
  const wanted = parseUris(await call(apt, 'apt-get', [...flags, 'download', '--print-uris', ...all], empty))
  if (wanted.length !== all.length)
    throw new BuildError(
      `apt knows ${wanted.length} of these ${all.length} packages for ${architecture}: ${all.join(' ')}`,
    )
  const missing = wanted.filter(({ file, sha256 }) => !isThere(join(cwd, file), sha256))
  for (const { file } of missing) rmSync(join(cwd, file), { force: true })
  if (missing.length > 0) await call(apt, 'apt-get', [...flags, '-qq', 'download', ...all], cwd)
  const damaged = wanted.find(({ file, sha256 }) => !isThere(join(cwd, file), sha256))
  if (damaged !== undefined) throw new BuildError(`apt-get download left no whole ${damaged.file}`)
  return wanted.map(({ file }) => join(cwd, file)).sort()
}

/** Lines of `--print-uris`: `'URI' FILE SIZE SHA256:HEX`. */
export function parseUris(text: string): { file: string; sha256: string }[] {
  return [...text.matchAll(/^'[^']+' (\S+) \d+ SHA256:([0-9a-f]{64})$/gm)].map(
    ([, file = '', sha256 = '']) => ({ file, sha256 }),
  )
}

function isThere(path: string, sha256: string): boolean {
  return existsSync(path) && createHash('sha256').update(readFileSync(path)).digest('hex') === sha256
}

async function call({ conf }: Apt, program: string, args: readonly string[], cwd?: string): Promise<string> {
  const env = { ...process.env, LC_ALL: 'C' }
  const options = cwd === undefined ? { env } : { env, cwd }
  return (await run(program, ['-c', conf, ...args], options)).toString()
}

/** The lines of a sources.list for this machine's own release; what else it takes packages from is left out. */
async function machineSources(): Promise<string[]> {
  const release = readRelease()
  const format = '$(REPO_URI) $(RELEASE) $(COMPONENT)'
  const text = await run('apt-get', ['indextargets', '--format', format, 'Created-By: Packages'])
  const sources = new Set<string>()
  for (const line of text.toString().trim().split('\n')) {
    const [uri = '', suite = '', component = ''] = line.split(' ')
    const isOurs = suite === release.codename || suite.startsWith(`${release.codename}-`)
    if (isOurs && component === 'main') sources.add(sourceLine(uri, suite, release.id))
  }
  if (sources.size > 0) return [...sources].sort()
  throw new BuildError(
    `apt has no sources for ${release.codename || 'this system'} here; name one: ` +
      '--mirror http://HOST/debian --suite SUITE',
  )
}

function mirrorSources({ url, suite }: Mirror): string[] {
  return [sourceLine(url, suite, 'debian')]
}

function sourceLine(uri: string, suite: string, system: string): string {
  const key = `/usr/share/keyrings/${system}-archive-keyring.gpg`
  return `deb ${existsSync(key) ? `[signed-by=${key}] ` : ''}${uri} ${suite} main`
}

function readRelease(): { id: string; codename: string } {
  const text = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : ''
  const value = (name: string): string => new RegExp(`^${name}="?([^"\n]*)`, 'm').exec(text)?.[1] ?? ''
  return { id: value('ID'), codename: value('VERSION_CODENAME') }
}

/** The machine's own files of apt's are read before this one: what they say of proxies holds, their hooks do not. */
function confOf(folder: string): string {
  const isRoot = process.getuid?.() === 0
  const hooks = ['APT::Update::Pre-Invoke', 'APT::Update::Post-Invoke', 'APT::Update::Post-Invoke-Success']
  return [
    ...[...hooks, 'DPkg::Post-Invoke', 'APT::Architectures'].map((name) => `#clear ${name};`),
    'APT::Architectures { "amd64"; "arm64"; };',
    `Dir::Etc::SourceList "${folder}/sources.list";`,
    'Dir::Etc::SourceParts "/dev/null";',
    'Dir::Etc::Preferences "/dev/null";',
    'Dir::Etc::PreferencesParts "/dev/null";',
    `Dir::State "${folder}/state";`,
    `Dir::State::Lists "${folder}/lists";`,
    `Dir::State::Status "${folder}/state/status";`,
    `Dir::Cache "${folder}/cache";`,
    `Dir::Cache::Archives "${folder}/cache/archives";`,
    'Dir::Cache::PkgCache "packages.bin";',
    // What is in it is for one architecture.
    'Dir::Cache::SrcPkgCache "";',
    'Acquire::Languages "none";',
    'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";',
    'Acquire::IndexTargets::deb::DEP-11-icons-small::DefaultEnabled "false";',
    'Acquire::IndexTargets::deb::DEP-11-icons::DefaultEnabled "false";',
    'Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";',
    // apt drops root's rights to a user who may not write here.
    ...(isRoot ? ['APT::Sandbox::User "root";'] : []),
    '',
  ].join('\n')
}
