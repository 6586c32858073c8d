/** The layer that changes rarely: what Node.js needs of Debian, certificates, time zones, and a few names. */
import { accountEntries } from './base-accounts.ts'
import { isWanted, mergedPath } from './base-filter.ts'
import { run } from './run.ts'
import { entriesOf, textFile, type Entries } from './tar.ts'

/** libatomic1, libgcc-s1, libstdc++6: named by Node.js's program. The others: files that programs expect. */
export const PACKAGES = [
  'base-files',
  'ca-certificates',
  'libatomic1',
  'libc6',
  'libgcc-s1',
  'libstdc++6',
  'netbase',
  'tzdata',
] as const

const ROOTS = /^usr\/share\/ca-certificates\/.*\.crt$/

/** @param debs paths of .deb files */
export async function baseLayer(debs: readonly string[]): Promise<Entries> {
  const entries: Entries = new Map()
  for (const deb of debs) {
    const files = await entriesOf(await run('dpkg-deb', ['--fsys-tarfile', deb]), isWanted)
    for (const [path, entry] of files) {
      const merged = mergedPath(path)
      // Folders come with the files in them; those of packages for a whole system stay out.
      if (entry.kind !== 'folder') entries.set(merged, entry)
    }
    const control = (await run('dpkg-deb', ['--field', deb])).toString()
    const name = /^Package: (.+)$/m.exec(control)?.[1] ?? ''
    // Scanners read of an image without dpkg which packages are in it, where distroless images say it.
    entries.set(`var/lib/dpkg/status.d/${name}`, textFile(control))
  }
  for (const [path, entry] of accountEntries()) entries.set(path, entry)
  bundleRoots(entries)
  linkMerged(entries)
  return entries
}

/** One file with all certificates, where programs look for it; each by itself need not be there. */
function bundleRoots(entries: Entries): void {
  const roots: Uint8Array[] = []
  for (const path of [...entries.keys()].filter((path) => ROOTS.test(path)).sort()) {
    const entry = entries.get(path)
    if (entry?.kind !== 'file') continue
    const isEnded = entry.bytes.at(-1) === 0x0a
    roots.push(entry.bytes, Buffer.from(isEnded ? '' : '\n'))
    entries.delete(path)
  }
  const bytes = Buffer.concat(roots)
  entries.set('etc/ssl/certs/ca-certificates.crt', { kind: 'file', mode: 0o644, bytes })
}

function linkMerged(entries: Entries): void {
  entries.set('bin', { kind: 'link', target: 'usr/bin' })
  entries.set('lib', { kind: 'link', target: 'usr/lib' })
  const has64 = [...entries.keys()].some((path) => path.startsWith('usr/lib64/'))
  if (has64) entries.set('lib64', { kind: 'link', target: 'usr/lib64' })
}
