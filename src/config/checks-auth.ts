/** Checks of single values of `auth` and `access`: each gives the value in its normal form or throws {@link Misfit}. */
import { Misfit } from './shape.ts'

export function checkLdapUrl(text: string): string {
  if (!/^ldaps?:\/\/[^/?#@]+\/?$/i.test(text) || !URL.canParse(text))
    throw new Misfit('must be the URL of a directory, as ldaps://directory.example.com')
  return text.replace(/\/$/, '')
}
