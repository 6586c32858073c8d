/** Checks of single values of `auth` and `access`: each gives the value in its normal form or throws {@link Misfit}. */
import { Misfit } from './shape.ts'

export function checkLdapUrl(text: string): string {
  if (!/^ldaps?:\/\/[^/?#@]+\/?$/i.test(text) || !URL.canParse(text))
    throw new Misfit('must be the URL of a directory, as ldaps://directory.example.com')
  return text.replace(/\/$/, '')
}

/** Of the first administrator; as every name of a user in the database. */
export function checkUserName(text: string): string {
  if (!/^[a-z0-9][a-z0-9._@-]{0,127}$/.test(text))
    throw new Misfit(
      'must be 1 to 128 lower-case letters, digits, ".", "_", "@" or "-", and begin with a letter or a digit',
    )
  return text
}

export function checkPassword(text: string): string {
  if (Array.from(text).length < 8)
    throw new Misfit('must have at least 8 characters; leave it out for a random one, which is printed once')
  if (Buffer.byteLength(text) > 512) throw new Misfit('must have at most 512 bytes')
  // oxlint-disable-next-line no-control-regex
  if (/[\u0000-\u001f\u007f]/.test(text))
    throw new Misfit('cannot have line ends or other control characters')
  return text
}
