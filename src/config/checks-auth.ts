/** Checks of single values of `auth` and `access`: each gives the value in its normal form or throws {@link Misfit}. */
import { whyNoPassword, whyNoUserName } from '../auth/names.ts'
import { Misfit } from './shape.ts'

export function checkLdapUrl(text: string): string {
  if (!/^ldaps?:\/\/[^/?#@]+\/?$/i.test(text) || !URL.canParse(text))
    throw new Misfit('must be the URL of a directory, as ldaps://directory.example.com')
  return text.replace(/\/$/, '')
}

/** Of the first administrator; as of every user in the database. */
export function checkUserName(text: string): string {
  const why = whyNoUserName(text)
  if (why !== undefined) throw new Misfit(`the name ${why}`)
  return text
}

export function checkPassword(text: string): string {
  const why = whyNoPassword(text)
  if (why !== undefined)
    throw new Misfit(`the password ${why}; leave it out for a random one, which is printed once`)
  return text
}
