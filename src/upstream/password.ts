/** A name and a password: sent, missing, or refused. */
import type { Credentials } from './credentials/credentials.ts'
import { UpstreamError } from './failure.ts'

/** `Basic …` (RFC 7617); undefined: there is no password. */
export function basicOf(credentials: Credentials | undefined): string | undefined {
  if (credentials?.kind !== 'password') return undefined
  return `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`
}

export function missingPassword(host: string): UpstreamError {
  return new UpstreamError(
    'sign-in',
    `${host} asks for a name and a password: "docker login ${host}" keeps them, or say --username NAME --password-stdin`,
  )
}

/** @param where what else to say of who refused it */
export function wrongPassword(host: string, credentials: Credentials | undefined, where = ''): UpstreamError {
  return new UpstreamError('sign-in', `${host} does not take ${credentials?.from ?? 'the password'}${where}`)
}
