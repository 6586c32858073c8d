/** What is typed after `berth push`. */
import { readFileSync } from 'node:fs'
import { RegistryError } from '../oci/error.ts'
import { parseRepositoryName, type RepositoryName } from '../oci/reference.ts'
import { AddressError, type ImageAddress, parseAddress } from '../upstream/address.ts'
import { type Transport, usualTransport } from '../upstream/find-origin.ts'
import { splitLayout } from '../upstream/layout/open-layout.ts'
import { isPlatform } from '../upstream/layout/platform.ts'
import { parseArguments } from './arguments.ts'
import type { Io } from './command.ts'
import { refuseUse } from './refusal.ts'

export const PUSH_HELP = `Usage: berth push LAYOUT[:NAME] HOST[:PORT]/REPOSITORY[:TAG] [OPTIONS]

Puts an image into a registry, this one or any other: an image of one platform, or an index with all that is below it.
What the registry has already is not sent again, and an upload that was broken off goes on where it ended, also in a
later run. All bytes stay as they are; each blob is compared with its digest on its way.

LAYOUT is the folder of an OCI image layout, a .tar of one, or a .tar of "docker save". Where it has several images,
NAME is the one to push (LAYOUT:NAME, LAYOUT@DIGEST or --name). TAG is "latest" where it is left out.

      --name NAME        which image of the layout
      --platform OS/ARCH[/VARIANT]
                         of an index only the image for this platform
  -j, --jobs N           blobs at a time (default: 4)
      --chunk-size SIZE  at most so much in one request, as 50M; without it a blob is one request, and where that is too
                         large for a proxy, smaller ones are tried
      --mount-from REPOSITORY
                         look for blobs in this repository of the same registry first; may be said again
  -u, --username NAME    sign in with this name, and
      --password-stdin   the password that is the first line of the standard input. Without these, what "docker login",
                         "podman login" or a credential helper keeps is used (DOCKER_CONFIG, REGISTRY_AUTH_FILE)
      --plain-http       without TLS; localhost is tried both ways anyway
      --tls-verify=false accept any certificate
      --ca FILE          a certificate authority to trust, PEM, beside those of the system
  -q, --quiet            only the last line

The last line is HOST/REPOSITORY:TAG@DIGEST, alone on the standard output. Ends with 0 when everything is there.
`

const OPTIONS = {
  name: { type: 'string' },
  platform: { type: 'string' },
  jobs: { type: 'string', short: 'j' },
  'chunk-size': { type: 'string' },
  'mount-from': { type: 'string', multiple: true },
  username: { type: 'string', short: 'u' },
  'password-stdin': { type: 'boolean' },
  'plain-http': { type: 'boolean' },
  'tls-verify': { type: 'string' },
  ca: { type: 'string' },
  quiet: { type: 'boolean', short: 'q' },
} as const

export type PushArguments = {
  source: { path: string; name?: string; digest?: string; platform?: string | undefined }
  address: ImageAddress
  transport: Transport
  tlsVerify: boolean
  /** PEM. */
  ca: string | undefined
  jobs: number
  /** Bytes. */
  chunkSize: number | undefined
  mountFrom: readonly RepositoryName[]
  username: string | undefined
  readsPassword: boolean
  isQuiet: boolean
}

const MOST_JOBS = 64
const SMALLEST_CHUNK = 64 * 1024

/** @returns undefined: something is wrong, and it was said */
export function readPushArguments(args: readonly string[], io: Io): PushArguments | undefined {
  const parsed = parseArguments('push', args, OPTIONS, 2, io)
  if (parsed === undefined) return undefined
  try {
    const [layout, destination] = parsed.positionals
    if (layout === undefined) throw new AddressError('what is to be pushed?')
    if (destination === undefined) throw new AddressError('where to?')
    return argumentsOf(layout, destination, parsed.values)
  } catch (error) {
    if (!(error instanceof AddressError) && !(error instanceof RegistryError)) throw error
    refuseUse(io, 'push', error.message)
    return undefined
  }
}

type Values = {
  name?: string | undefined
  platform?: string | undefined
  jobs?: string | undefined
  'chunk-size'?: string | undefined
  'mount-from'?: string[] | undefined
  username?: string | undefined
  'password-stdin'?: boolean | undefined
  'plain-http'?: boolean | undefined
  'tls-verify'?: string | undefined
  ca?: string | undefined
  quiet?: boolean | undefined
}

function argumentsOf(layout: string, destination: string, values: Values): PushArguments {
  const address = parseAddress(destination)
  const { platform, ca, username, 'password-stdin': readsPassword = false } = values
  if (platform !== undefined && !isPlatform(platform))
    throw new AddressError(
      `--platform is OS/ARCHITECTURE, as linux/arm64, and not ${JSON.stringify(platform)}`,
    )
  if ((username === undefined) === readsPassword)
    throw new AddressError('--username and --password-stdin belong together')
  const verify = values['tls-verify'] ?? 'true'
  if (verify !== 'true' && verify !== 'false') throw new AddressError('--tls-verify is true or false')
  return {
    source: sourceOf(layout, values),
    address,
    transport: values['plain-http'] === true ? 'plain' : usualTransport(address.host),
    tlsVerify: verify === 'true',
    ca: ca === undefined ? undefined : readCa(ca),
    jobs: jobsOf(values.jobs),
    chunkSize: chunkSizeOf(values['chunk-size']),
    mountFrom: (values['mount-from'] ?? []).map((name) => parseRepositoryName(name)),
    username,
    readsPassword,
    isQuiet: values.quiet === true,
  }
}

function sourceOf(layout: string, { name, platform }: Values): PushArguments['source'] {
  const split = splitLayout(layout)
  if (name !== undefined && (split.name !== undefined || split.digest !== undefined))
    throw new AddressError(`say --name, or ${JSON.stringify(layout)}, but not both`)
  return { ...split, ...(name !== undefined && { name }), platform }
}

/** @throws AddressError */
export function readCa(path: string): string {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new AddressError(`--ca ${path} cannot be read (${(error as NodeJS.ErrnoException).code})`)
  }
  if (!text.includes('-----BEGIN CERTIFICATE-----'))
    throw new AddressError(`--ca ${path} has no certificate in PEM ("-----BEGIN CERTIFICATE-----")`)
  return text
}

function jobsOf(text = '4'): number {
  const jobs = Number(text)
  if (/^\d+$/.test(text) && jobs >= 1 && jobs <= MOST_JOBS) return jobs
  throw new AddressError(`--jobs is a number from 1 to ${MOST_JOBS}`)
}

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }

function chunkSizeOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const [, number, unit = ''] = /^(\d{1,12})\s*([kmg]?)(?:i?b)?$/i.exec(text) ?? []
  const size = Number(number) * (UNITS[unit.toLowerCase()] ?? Number.NaN)
  if (size >= SMALLEST_CHUNK && Number.isSafeInteger(size)) return size
  throw new AddressError('--chunk-size is a size of 64K or more, as 50M')
}
