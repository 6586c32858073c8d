/** Paths of the API. Names hold slashes, raw or as `%2F`, so `/-/` ends a name, and everything is decoded once. */

/** Where nothing is: no route's path begins like this. */
const NOWHERE = '/-'

/**
 * One segment for each thing that is named: `/rules/team/app` and `/rules/team%2Fapp` are both `/rules/team%2Fapp`, and
 * `/groups/devs/-/members/user:a/b` is `/groups/devs/-/members/user%3Aa%2Fb`.
 * @param path what follows `/api/v1`, as it came
 */
export function canonicalPath(path: string): string {
  const decoded = decodeOnce(path)
  if (decoded === undefined) return NOWHERE
  const [, resource, name, word, rest] =
    /^\/([a-z.]+)(?:\/(.+?))??(?:\/-\/([a-z]+)(?:\/(.+))?)?$/su.exec(decoded) ?? []
  if (resource === undefined) return NOWHERE
  const parts = ['', resource]
  if (name !== undefined) parts.push(encodeURIComponent(name))
  if (word !== undefined) parts.push('-', word)
  if (rest !== undefined) parts.push(encodeURIComponent(rest))
  return parts.join('/')
}

function decodeOnce(path: string): string | undefined {
  try {
    const text = decodeURIComponent(path)
    return text.isWellFormed() ? text : undefined
  } catch {
    return undefined
  }
}
