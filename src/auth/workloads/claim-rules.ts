/** What the claims of a token have to be, so that it counts. */

/** Name of a claim → what it must be: text in which `*` stands for anything, also for nothing. */
export type ClaimRule = { readonly name: string; readonly match: Readonly<Record<string, string>> }

/** Names of the rules that these claims meet: all that a rule names must fit. A rule that names nothing is met by none. */
export function rulesMet(rules: readonly ClaimRule[], claims: Readonly<Record<string, unknown>>): string[] {
  return rules
    .filter(({ match }) => {
      const wanted = Object.entries(match)
      return wanted.length > 0 && wanted.every(([name, pattern]) => fits(pattern, claimOf(claims, name)))
    })
    .map(({ name }) => name)
}

/** By its whole name, as `https://example.com/role`; else by its place, as `kubernetes.io/namespace`. */
function claimOf(claims: Readonly<Record<string, unknown>>, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name]
  let found: unknown = claims
  for (const part of name.split('/')) {
    if (typeof found !== 'object' || found === null || Array.isArray(found) || !Object.hasOwn(found, part)) {
      return undefined
    }
    found = (found as Record<string, unknown>)[part]
  }
  return found
}

/** Of a list, one of its members is enough. What is neither text, number nor boolean fits nothing. */
function fits(pattern: string, value: unknown): boolean {
  if (Array.isArray(value)) return value.some((one) => !Array.isArray(one) && fits(pattern, one))
  if (typeof value === 'string') return matches(pattern, value)
  return (typeof value === 'number' || typeof value === 'boolean') && matches(pattern, String(value))
}

/** In one pass over the text, whatever the pattern. */
export function matches(pattern: string, text: string): boolean {
  const [first = '', ...rest] = pattern.split('*')
  const last = rest.pop()
  if (last === undefined) return text === pattern
  if (!text.startsWith(first) || !text.endsWith(last) || text.length < first.length + last.length)
    return false
  const end = text.length - last.length
  let at = first.length
  for (const part of rest) {
    const found = text.indexOf(part, at)
    if (found < 0 || found + part.length > end) return false
    at = found + part.length
  }
  return true
}
