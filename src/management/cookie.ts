/** The cookie of a session. Over TLS its name makes browsers keep it to this host, and to TLS. */
import { Problem } from './problem.ts'

const SECURE_NAME = '__Host-berth'
const PLAIN_NAME = 'berth'
/** 32 random bytes as base64url. */
const VALUE = /^[A-Za-z0-9_-]{43}$/

/** @returns its value; undefined: there is none, or none that could be ours */
export function readCookie(header: string | undefined, isSecure: boolean): string | undefined {
  const name = isSecure ? SECURE_NAME : PLAIN_NAME
  const values = (header ?? '')
    .split(';')
    .map((part) => part.trim())
    .filter((part) => part.startsWith(`${name}=`))
    .map((part) => part.slice(name.length + 1))
  // A page of a neighbouring host may have put a second one there: which of them is ours cannot be told.
  if (values.length > 1) throw new Problem('INVALID', 'there are two cookies of a session: remove both')
  const [value] = values
  return value !== undefined && VALUE.test(value) ? value : undefined
}

export function sessionCookie(value: string, maxAgeSeconds: number, isSecure: boolean): string {
  const attributes = `Path=/; HttpOnly; SameSite=Lax; Max-Age=${maxAgeSeconds}`
  return isSecure ? `${SECURE_NAME}=${value}; ${attributes}; Secure` : `${PLAIN_NAME}=${value}; ${attributes}`
}

/** Makes a browser forget it. */
export function endedCookie(isSecure: boolean): string {
  return sessionCookie('', 0, isSecure)
}
