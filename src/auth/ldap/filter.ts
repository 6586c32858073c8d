/** Filters with what somebody typed in them. */

/**
 * Text as a value of a filter (RFC 4515, section 3): what has a meaning there has none any more. Other characters stand
 * as they are; the client encodes them.
 */
function escapeFilterValue(value: string): string {
  return value.replace(
    /[\\*()\0]/g,
    (character) => `\\${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
}

/** Puts values, escaped, where `{name}` and `{dn}` stand; what they hold is not looked at again. */
export function fillFilter(filter: string, values: { name: string; dn?: string }): string {
  return filter.replace(/\{(name|dn)\}/g, (whole, key: 'name' | 'dn') => {
    const value = values[key]
    return value === undefined ? whole : escapeFilterValue(value)
  })
}
