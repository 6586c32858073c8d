/** The words after `npm run image --`. */
import { parseArgs } from 'node:util'
import { ARCHITECTURES, type Architecture } from './architectures.ts'
import type { Mirror } from './apt.ts'
import { BuildError } from './run.ts'

export const help = `Usage: npm run image -- [OPTIONS]

Makes the image of Berth from this repository: an OCI layout of all architectures (dist/image), and for each an archive
that any engine loads (dist/berth-image-amd64.tar: "docker load -i", "podman load -i"). Nothing is pulled but packages of
Debian and of npm, which apt and npm check. It needs Linux with apt-get and dpkg-deb, and no root.

Options:
  --arch ARCH        amd64 or arm64; can be given twice (default: both)
  --out DIR          where the files go (default: dist)
  --cache DIR        where what was fetched and compressed is kept (default: node_modules/.cache/berth-image)
  --mirror URL       a mirror of Debian's packages, with --suite (default: this machine's own sources)
  --suite NAME       the release of Debian there, e.g. bookworm
  --revision NAME    what the image says it was made of (default: the commit, where git is there)
  --quiet            only the last lines: the archives and the digest
  --help             this text

The time in the image is that of the commit, or SOURCE_DATE_EPOCH (seconds).
`

export type Options = {
  architectures: Architecture[]
  out: string
  cache: string
  mirror: Mirror | undefined
  revision: string | undefined
  isQuiet: boolean
}

/**
 * @returns undefined where only help was asked for
 * @throws BuildError naming the word that is wrong
 */
export function parseOptions(args: readonly string[]): Options | undefined {
  const { arch, out, cache, mirror, suite, revision, quiet, help: wantsHelp } = parse(args)
  if (wantsHelp) return undefined
  const wrong = arch?.find((name) => !isArchitecture(name))
  if (wrong !== undefined)
    throw new BuildError(`--arch ${wrong}: the image is made for ${ARCHITECTURES.join(' and ')}`)
  if ((mirror === undefined) !== (suite === undefined))
    throw new BuildError('--mirror and --suite belong together: --mirror http://HOST/debian --suite bookworm')
  return {
    architectures: ARCHITECTURES.filter((name) => arch === undefined || arch.includes(name)),
    out: out ?? 'dist',
    cache: cache ?? 'node_modules/.cache/berth-image',
    mirror: mirror === undefined || suite === undefined ? undefined : { url: mirror, suite },
    revision,
    isQuiet: quiet ?? false,
  }
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean' } as const
  try {
    return parseArgs({
      args: [...args],
      options: {
        ...{ arch: { type: 'string', multiple: true }, out: text, cache: text, mirror: text, suite: text },
        ...{ revision: text, quiet: flag, help: { type: 'boolean', short: 'h' } },
      },
    }).values
  } catch (error) {
    throw new BuildError(`${error instanceof Error ? error.message : String(error)}\nSee --help.`)
  }
}

function isArchitecture(name: string): name is Architecture {
  return (ARCHITECTURES as readonly string[]).includes(name)
}
