/** What `WWW-Authenticate` asks for (RFC 9110, 11.6.1; distribution's token specification). */

export type Challenge =
  | { scheme: 'basic' }
  | { scheme: 'bearer'; realm: string; service: string | undefined; scope: string | undefined }

const PARAMETER = /^\s*([\w!#$%&'*+.^`|~-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))\s*(?:,|$)/
const SCHEME = /^[\s,]*([\w-]+)(?:\s+|$|(?=,))/

/** Those that can be answered, in their order; several may stand in one header. */
export function parseChallenges(header: string): Challenge[] {
  const found: Challenge[] = []
  for (let rest = header; ;) {
    const scheme = SCHEME.exec(rest)
    if (scheme === null) return found
    rest = rest.slice(scheme[0].length)
    const parameters = new Map<string, string>()
    for (let one = PARAMETER.exec(rest); one !== null; one = PARAMETER.exec(rest)) {
      parameters.set((one[1] as string).toLowerCase(), one[2]?.replaceAll(/\\(.)/g, '$1') ?? one[3] ?? '')
      rest = rest.slice(one[0].length)
    }
    const name = (scheme[1] as string).toLowerCase()
    const realm = parameters.get('realm')
    if (name === 'basic') found.push({ scheme: 'basic' })
    else if (name === 'bearer' && realm !== undefined)
      found.push({
        scheme: 'bearer',
        realm,
        service: parameters.get('service'),
        scope: parameters.get('scope'),
      })
  }
}
