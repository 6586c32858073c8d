/** Query parameters whose value is a secret or grants something; compared without case. */
const SECRET = new Set([
  'token',
  'access_token',
  'refresh_token',
  'id_token',
  'password',
  'passwd',
  'secret',
  'client_secret',
  'code',
  'sig',
  'signature',
  'api_key',
  'apikey',
  'x-amz-signature',
  'x-amz-credential',
  'x-amz-security-token',
  'x-goog-signature',
  'x-goog-credential',
])

/** The request target as logs may hold it: secret parameters and credentials before the host are blanked. */
export function redactUrl(url: string): string {
  const named = url.startsWith('/') ? url : url.replace(/^([a-z]+:\/\/)[^/?#]*@/i, '$1')
  const query = named.indexOf('?')
  if (query < 0) return named
  const pairs = named.slice(query + 1).split(/([&;])/)
  return named.slice(0, query + 1) + pairs.map(blanked).join('')
}

function blanked(pair: string): string {
  const equals = pair.indexOf('=')
  if (equals < 0) return pair
  return SECRET.has(nameOf(pair.slice(0, equals))) ? `${pair.slice(0, equals)}=redacted` : pair
}

function nameOf(encoded: string): string {
  try {
    return decodeURIComponent(encoded).toLowerCase()
  } catch {
    return encoded.toLowerCase()
  }
}
