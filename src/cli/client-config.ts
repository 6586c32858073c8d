/** `berth client-config`: what clients have to be told to use a registry. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { AddressError, isHost } from '../upstream/address.ts'
import { readVersion } from '../version.ts'
import { parseArguments } from './arguments.ts'
import { buildkitSetup } from './client-config/buildkit.ts'
import { containerdSetup } from './client-config/containerd.ts'
import { dockerSetup } from './client-config/docker.ts'
import { k3sSetup } from './client-config/k3s.ts'
import { kanikoSetup } from './client-config/kaniko.ts'
import { podmanSetup } from './client-config/podman.ts'
import { setupText } from './client-config/print.ts'
import { probeRegistry } from './client-config/probe.ts'
import { type RegistryToUse, type Setup, SetupError } from './client-config/setup.ts'
import type { Command, Io } from './command.ts'
import { readCa } from './push-arguments.ts'
import { refuse, refuseUse } from './refusal.ts'

const CLIENTS: Readonly<Record<string, (registry: RegistryToUse) => Setup>> = {
  docker: dockerSetup,
  containerd: containerdSetup,
  podman: podmanSetup,
  k3s: k3sSetup,
  kaniko: kanikoSetup,
  buildkit: buildkitSetup,
}

const help = `Usage: berth client-config docker|containerd|podman|k3s|kaniko|buildkit HOST[:PORT] [OPTIONS]

Prints what a client or a node needs to use the registry at HOST: files with their paths, and what to type after them.
Without --plain-http and --ca it asks HOST once how it is to be spoken to.

      --plain-http     the registry speaks HTTP without TLS
      --ca FILE        its certificate is from this authority (PEM), which clients do not know
      --mirror NAME    the registry stands in for another one, as docker.io
      --offline        asks nobody; a certificate that is known everywhere is assumed
      --write DIR      also writes the files below DIR; "/" is this machine. What is there is not replaced
`

const OPTIONS = {
  'plain-http': { type: 'boolean' },
  ca: { type: 'string' },
  mirror: { type: 'string' },
  offline: { type: 'boolean' },
  write: { type: 'string' },
} as const

type Values = {
  'plain-http'?: boolean | undefined
  ca?: string | undefined
  mirror?: string | undefined
  offline?: boolean | undefined
  write?: string | undefined
}

export const command: Command = {
  name: 'client-config',
  summary: 'print what docker, containerd, podman, k3s, kaniko or BuildKit need to use a registry',
  help,
  async run(args, io) {
    const parsed = parseArguments('client-config', args, OPTIONS, 2, io)
    if (parsed === undefined) return 2
    const [client, host] = parsed.positionals
    const setupOf = client !== undefined && Object.hasOwn(CLIENTS, client) ? CLIENTS[client] : undefined
    if (setupOf === undefined) return refuseUse(io, 'client-config', whichClient(client))
    if (host === undefined) return refuseUse(io, 'client-config', 'which registry?')
    const wrong = whatIsWrong(host, parsed.values)
    if (wrong !== undefined) return refuseUse(io, 'client-config', wrong)
    try {
      const registry = await registryOf(host, parsed.values, io)
      const setup = setupOf(registry)
      io.stdout.write(setupText(client as string, registry, setup))
      return parsed.values.write === undefined ? 0 : writeFiles(setup, parsed.values.write, io)
    } catch (error) {
      if (error instanceof AddressError) return refuseUse(io, 'client-config', error.message)
      if (error instanceof SetupError) return refuse(io, 'client-config', error.message)
      throw error
    }
  },
}

function whichClient(client: string | undefined): string {
  const names = Object.keys(CLIENTS)
  const all = `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`
  return client === undefined ? `say ${all}` : `what is ${JSON.stringify(client)}? Say ${all}`
}

function whatIsWrong(host: string, { 'plain-http': plain, ca, mirror }: Values): string | undefined {
  if (!isHost(host)) return `${JSON.stringify(host)} is not HOST or HOST:PORT`
  if (plain === true && ca !== undefined) return 'say --plain-http or --ca, but not both'
  if (mirror !== undefined && !isHost(mirror))
    return `--mirror ${JSON.stringify(mirror)} is no name of a registry`
  return undefined
}

/** @throws SetupError, AddressError */
async function registryOf(host: string, values: Values, io: Io): Promise<RegistryToUse> {
  const { 'plain-http': plain, ca, mirror, offline } = values
  const base = { host, ...(mirror !== undefined && { mirrorOf: mirror }) }
  if (plain === true) return { ...base, transport: 'plain' }
  if (ca !== undefined) return { ...base, transport: 'own-ca', ca: readCa(ca) }
  if (offline === true) return { ...base, transport: 'public' }
  const found = await probeRegistry(host, `berth/${readVersion()}`, io.env)
  const say = (text: string): void => void io.stderr.write(`berth client-config: ${text}.\n`)
  if (found.transport === 'untrusted')
    throw new SetupError(`${found.why}. Say --ca FILE with the certificate of its authority`)
  if (found.transport === 'unknown') {
    if (!isClusterName(host))
      throw new SetupError(
        `${found.why}. Say how it is spoken to: --plain-http, --ca FILE, or --offline for TLS as usual`,
      )
    say(
      `${host} is a name inside a cluster and is not reached from here: taken to be without TLS. --ca FILE says otherwise`,
    )
    return { ...base, transport: 'plain' }
  }
  say(
    `${host} answers ${found.transport === 'plain' ? 'without TLS' : 'with TLS, and a certificate that is trusted here'}`,
  )
  return { ...base, transport: found.transport }
}

/** Names that Kubernetes gives to Services, with a port that is not TLS's. */
function isClusterName(host: string): boolean {
  return /\.svc(?:\.cluster\.local)?:\d+$/i.test(host) && !host.endsWith(':443')
}

function writeFiles({ files }: Setup, folder: string, io: Io): number {
  for (const { path, text, isInstead } of files) {
    if (isInstead === true) continue
    const place = join(folder, path)
    try {
      mkdirSync(dirname(place), { recursive: true })
      writeFileSync(place, text, { flag: 'wx' })
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      const why =
        code === 'EEXIST'
          ? 'is there already: add to it what is printed above'
          : `cannot be written (${code})`
      return refuse(io, 'client-config', `${place} ${why}`)
    }
    io.stderr.write(`berth client-config: ${place} is written.\n`)
  }
  return 0
}
