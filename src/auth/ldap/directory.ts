/** What is asked of a directory: who has this name, which groups are they in, is this their password. */
import { createHash } from 'node:crypto'
import type { Entry } from 'ldapts'
import { fillFilter } from './filter.ts'
import type { Session } from './session.ts'

export type DirectoryOptions = {
  /** Who searches; absent: nobody in particular. */
  binddn: string
  bindpassword: string | undefined
  userbase: string
  /** With `{name}`. */
  userfilter: string
  nameattribute: string
  /** Empty: there are no groups. */
  groupbase: string
  /** With `{dn}` or `{name}`. */
  groupfilter: string
  groupattribute: string
}

export type Person = {
  dn: string
  /** As the directory writes it. */
  name: string
  /** Changes with the person behind the name, and with the password where the directory shows when it was changed. */
  stamp: string
  /** Stays when everything else of the person changes; undefined: the directory does not say. */
  person: string | undefined
}

/** What a directory says that cannot be meant; for the log. */
export class Unclear extends Error {
  override readonly name = 'Unclear'
}

const MOST_GROUPS = 1000

/** Names of a person that outlive a change of everything else, of several makes of directories. */
const SAME_PERSON = ['entryUUID', 'objectGUID', 'nsUniqueId', 'ipaUniqueID', 'GUID']
/** When the password was changed, the same. */
const CHANGED = ['pwdChangedTime', 'pwdLastSet', 'krbLastPwdChange', 'passwordChangedTime']

/** @throws Error: the one who searches is not let in */
export async function signInToSearch(
  session: Session,
  { binddn, bindpassword }: DirectoryOptions,
  isAgain = false,
): Promise<void> {
  if (binddn === '') return isAgain ? session.unbind() : undefined
  if ((await session.bind(binddn, bindpassword ?? '')) === 'wrong')
    throw new Error('the directory refuses binddn or bindpassword')
}

/**
 * Undefined: nobody has this name.
 * @throws Unclear: several have, or the one who has cannot be named
 */
export async function findPerson(
  session: Session,
  options: DirectoryOptions,
  name: string,
): Promise<Person | undefined> {
  const { userbase, userfilter, nameattribute } = options
  const attributes = [nameattribute, ...SAME_PERSON, ...CHANGED]
  const [entry, another] = await session.search(userbase, fillFilter(userfilter, { name }), attributes, 2)
  if (entry === undefined) return undefined
  if (another !== undefined)
    throw new Unclear('several entries have this name: make userfilter or userbase narrower')
  if (entry.dn === '') throw new Unclear('the entry has no name of its own (dn)')
  const names = textsOf(entry, nameattribute)
  const own = names.length === 1 ? names[0] : names.find((one) => one === name)
  if (own === undefined || own === '')
    throw new Unclear(`the entry has ${names.length === 0 ? 'no' : 'several values of'} ${nameattribute}`)
  const parts = [...SAME_PERSON, ...CHANGED].map((attribute) => textsOf(entry, attribute).join())
  const person = parts.slice(0, SAME_PERSON.length)
  const isSame = person.some((part) => part !== '')
  return {
    dn: entry.dn,
    name: own,
    stamp: digestOf(isSame ? parts : [entry.dn, ...parts]),
    person: isSame ? digestOf(person) : undefined,
  }
}

const digestOf = (parts: readonly string[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('base64url').slice(0, 22)

export async function findGroups(
  session: Session,
  { groupbase, groupfilter, groupattribute }: DirectoryOptions,
  { dn, name }: Person,
): Promise<string[]> {
  if (groupbase === '') return []
  const filter = fillFilter(groupfilter, { dn, name })
  const entries = await session.search(groupbase, filter, [groupattribute], MOST_GROUPS)
  return [...new Set(entries.flatMap((entry) => textsOf(entry, groupattribute)))].toSorted()
}

/** Names of attributes are compared without case. */
function textsOf(entry: Entry, attribute: string): string[] {
  const key = Object.keys(entry).find(
    (name) => name !== 'dn' && name.toLowerCase() === attribute.toLowerCase(),
  )
  const value = key === undefined ? [] : (entry[key] ?? [])
  const values: readonly (string | Buffer)[] = Array.isArray(value) ? value : [value]
  return values.map((one) => (typeof one === 'string' ? one : one.toString('hex')))
}
