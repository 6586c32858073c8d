/** What a token of another server says (Distribution, "Token Authentication Implementation"). */
import { isObject } from '../../oci/manifest-fields.ts'
import { TokenRefusedError } from './refused.ts'

/** Its `class` says nothing about who may do what. */
export type AccessClaim = { type: string; name: string; actions: readonly string[] }

const MAX_SUBJECT = 1024

type Claims = {
  issuer: string
  subject: string
  audience: readonly string[]
  /** Seconds since 1970; zero where there is none, so that it has expired. */
  expiration: number
  notBefore: number
  access: readonly AccessClaim[]
}

/** @throws TokenRefusedError: not JSON, or a claim that is of another type */
export function readClaims(payload: Uint8Array): Claims {
  const claims = object(parsed(payload))
  return {
    issuer: text(claims['iss']),
    subject: subjectOf(claims['sub']),
    audience: audienceOf(claims['aud']),
    expiration: seconds(claims['exp']),
    notBefore: seconds(claims['nbf']),
    access: list(claims['access']).map(accessOf),
  }
}

function parsed(payload: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(payload).toString('utf8'))
  } catch (cause) {
    throw new TokenRefusedError('unverified', 'its claims are no JSON', { cause })
  }
}

function accessOf(value: unknown): AccessClaim {
  const { type, name, actions } = object(value)
  return { type: text(type), name: text(name), actions: list(actions).map(text) }
}

/** It becomes part of an id that rows and log lines hold. */
function subjectOf(value: unknown): string {
  const subject = text(value)
  if (subject.length <= MAX_SUBJECT && !/\p{Cc}/u.test(subject)) return subject
  throw new TokenRefusedError(
    'invalid',
    `its subject is longer than ${MAX_SUBJECT} characters, or has control characters`,
  )
}

function audienceOf(value: unknown): readonly string[] {
  return typeof value === 'string' ? [value] : list(value).map(strictText)
}

function object(value: unknown): Record<string, unknown> {
  if (isObject(value)) return value
  throw wrongType()
}

function list(value: unknown): readonly unknown[] {
  if (value === undefined || value === null) return []
  if (Array.isArray(value)) return value
  throw wrongType()
}

/** Absent, and null, is the same as empty. */
function text(value: unknown): string {
  return value === undefined || value === null ? '' : strictText(value)
}

function strictText(value: unknown): string {
  if (typeof value === 'string') return value
  throw wrongType()
}

function seconds(value: unknown): number {
  if (value === undefined || value === null) return 0
  if (Number.isSafeInteger(value)) return value as number
  throw wrongType()
}

function wrongType(): TokenRefusedError {
  return new TokenRefusedError('unverified', 'a claim is not of the type that it has to be')
}
