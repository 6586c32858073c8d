/** What a client has to be told to use a registry. */
import { dialledHost } from '../../upstream/address.ts'

export type RegistryToUse = {
  /** With its port, as it stands before an image's name. */
  host: string
  /** `plain`: without TLS; `own-ca`: a certificate of an authority that clients do not know; `public`: one they know. */
  transport: 'plain' | 'own-ca' | 'public'
  /** The authority's certificate, PEM; with `own-ca`. */
  ca?: string
  /** As `docker.io`: a registry that this one stands in for. */
  mirrorOf?: string
}

export type SetupFile = {
  path: string
  text: string
  /** What to know before it is put there. */
  note?: string
  /** For another version of the client, instead of the file before; printed, and not written. */
  isInstead?: boolean
}

export type Setup = {
  files: readonly SetupFile[]
  /** What makes the client read them; empty: it reads them each time. */
  commands: readonly string[]
  /** Where the registry asks for a password. */
  login: readonly string[]
  /** What else there is to know. */
  notes?: readonly string[]
}

/** What the configuration cannot say, and what to do instead. */
export class SetupError extends Error {
  override readonly name = 'SetupError'
}

export const urlOf = ({ host, transport }: RegistryToUse): string =>
  `${transport === 'plain' ? 'http' : 'https'}://${host}`

/** Where a registry that is stood in for is itself. */
export const originOf = (name: string): string => `https://${dialledHost(name)}`

/** A host as part of a file's name where colons are not usual: `registry.example-5000`. */
export const fileNameOf = (host: string): string => host.replaceAll(/[^\w.-]+/g, '-').replace(/^-|-$/g, '')

/** A string of TOML and of JSON; of YAML too. */
export const quoted = (text: string): string => JSON.stringify(text)

/** @param folder where the client looks for one folder a host */
export function caFile({ host, ca }: RegistryToUse, folder: string): SetupFile[] {
  return ca === undefined ? [] : [{ path: `${folder}/${host}/ca.crt`, text: ca }]
}

export const PULL_SECRET = (host: string): string =>
  `kubectl create secret docker-registry registry-login --docker-server=${host} --docker-username=NAME --docker-password=PASSWORD`
