/** What a request says about who sends it: its Authorization header, taken apart (RFC 9110, section 11.6.2). */
export type Credentials =
  | { kind: 'none' }
  /** RFC 7617 */
  | { kind: 'basic'; name: string; password: string }
  /** RFC 6750 */
  | { kind: 'bearer'; token: string }
  /** `why` is for the one who sent it: what is wrong, never a part of it. */
  | { kind: 'malformed'; why: string }

/** As many bytes as any header that the listener lets through; a JSON Web Token of GitHub has 1,500. */
const MAX_HEADER = 12 * 1024
/** Of a token in a Bearer header. */
export const MAX_TOKEN = 8 * 1024
/** Characters. Names of directories and certificates can be longer than those of users. */
const MAX_NAME = 255
/** Bytes. Programs sign in with a JSON Web Token instead of a password. */
const MAX_PASSWORD = 8 * 1024

const NONE: Credentials = { kind: 'none' }
const SCHEME = /^([A-Za-z][A-Za-z0-9+.-]*) +([^ ]+) *$/
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/
/** RFC 6750, b64token. */
const TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/
// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f]/
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function parseCredentials(header: string | undefined): Credentials {
  if (header === undefined || header === '') return NONE
  if (header.length > MAX_HEADER) return malformed('the Authorization header is too long')
  const match = SCHEME.exec(header)
  const scheme = match?.[1]?.toLowerCase()
  const rest = match?.[2] ?? ''
  if (scheme === 'basic') return parseBasic(rest)
  if (scheme === 'bearer') return parseBearer(rest)
  return malformed('the Authorization header must be "Basic" or "Bearer", one space, and the credentials')
}

function parseBearer(token: string): Credentials {
  if (token.length > MAX_TOKEN) return malformed('the token is too long')
  return TOKEN.test(token)
    ? { kind: 'bearer', token }
    : malformed('the token has characters that none can have')
}

function parseBasic(encoded: string): Credentials {
  if (!BASE64.test(encoded)) return malformed('Basic credentials must be base64 of NAME:PASSWORD')
  let text: string
  try {
    text = utf8.decode(Buffer.from(encoded, 'base64'))
  } catch {
    return malformed('Basic credentials must be UTF-8')
  }
  const colon = text.indexOf(':')
  if (colon < 0) return malformed('Basic credentials must be NAME:PASSWORD, with a colon')
  return checkNamed(text.slice(0, colon), text.slice(colon + 1))
}

/** Name and password, also where they come in a form. */
export function checkNamed(name: string, password: string): Credentials {
  if (name === '') return malformed('the name is empty')
  if (name.length > MAX_NAME) return malformed('the name is too long')
  if (password.length > MAX_PASSWORD) return malformed('the password is too long')
  // RFC 7617: "The user-id and password MUST NOT contain any control characters".
  if (CONTROL.test(name) || CONTROL.test(password)) {
    return malformed('name and password cannot have control characters')
  }
  return { kind: 'basic', name, password }
}

function malformed(why: string): Credentials {
  return { kind: 'malformed', why }
}
