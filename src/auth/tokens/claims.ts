/** What stands in one of our own tokens. */
import { isObject } from '../../oci/manifest-fields.ts'
import { createHash } from 'node:crypto'
import type { Account } from '../identity.ts'
import type { Principal, TokenGrant } from '../principal.ts'

/** Distribution's "Token Authentication Implementation": some clients read what they were granted. */
type AccessClaim = { type: string; name: string; actions: string[] }

/** Of who is known to nobody here but by what vouched for them: what it said. */
type Vouched = Pick<Principal, 'kind' | 'groups' | 'claims'>

export type TokenClaims = {
  /** {@link Principal}'s id. */
  sub: string
  name: string
  access: AccessClaim[]
  /** Seconds since 1970. */
  exp: number
  iat: number
  /** {@link stampDigest}; absent: of nobody. */
  stp?: string
  /** The row of `secrets` that it was given for. */
  sid?: number
  /** Rows of the repositories that were there. */
  rid?: Record<string, number>
  who?: Vouched
}

/** Stamps can tell something of a password's hash; tokens are read by others. */
export function stampDigest(stamp: string): string {
  return createHash('sha256').update(stamp).digest('base64url').slice(0, 22)
}

/** Whether nothing is known here of such an account but what vouched for it. */
export function isVouched(id: string): boolean {
  return id.startsWith('workload:') || id.startsWith('certificate:')
}

/** Who it is, as a token says it. */
export function identityClaims(account: Account | undefined): Partial<TokenClaims> {
  if (account === undefined) return { sub: 'anonymous', name: 'anonymous' }
  const { principal, stamp, secretId } = account
  const { id, name, kind, groups, claims } = principal
  return {
    sub: id,
    name,
    stp: stampDigest(stamp),
    ...(isVouched(id) && { who: { kind, groups, claims } }),
    ...(secretId !== undefined && { sid: secretId }),
  }
}

export function grantClaims(grant: TokenGrant): Pick<TokenClaims, 'access' | 'rid'> {
  const access: AccessClaim[] = []
  if (grant.catalog) access.push({ type: 'registry', name: 'catalog', actions: ['*'] })
  for (const [name, actions] of grant.repositories) {
    access.push({ type: 'repository', name, actions: [...actions] })
  }
  return { access, ...(grant.rows?.size && { rid: Object.fromEntries(grant.rows) }) }
}

export function grantOf({ access, rid }: TokenClaims): TokenGrant {
  const repositories = new Map<string, ReadonlySet<string>>()
  let catalog = false
  for (const { type, name, actions } of access) {
    if (type === 'repository') repositories.set(name, new Set(actions))
    else if (type === 'registry' && name === 'catalog') catalog = true
  }
  return { repositories, catalog, ...(rid && { rows: new Map(Object.entries(rid)) }) }
}

/** Its signature says that this program made it; which version of it did, it does not say. */
export function isTokenClaims(payload: Record<string, unknown>): payload is TokenClaims {
  const { sub, name, access, exp, iat, stp, sid, rid, who } = payload
  return (
    [sub, name].every((text) => typeof text === 'string') &&
    [exp, iat].every((time) => Number.isSafeInteger(time)) &&
    Array.isArray(access) &&
    access.every(isAccessClaim) &&
    (stp === undefined || typeof stp === 'string') &&
    (sid === undefined || Number.isSafeInteger(sid)) &&
    (rid === undefined || (isObject(rid) && Object.values(rid).every(Number.isSafeInteger))) &&
    (who === undefined || isVouchedFor(who)) &&
    // Of somebody: it must be possible to see that they are still there.
    (sub === 'anonymous' || stp !== undefined)
  )
}

const isTexts = (value: unknown): boolean =>
  Array.isArray(value) && value.every((text) => typeof text === 'string')

function isAccessClaim(value: unknown): boolean {
  return (
    isObject(value) &&
    typeof value['type'] === 'string' &&
    typeof value['name'] === 'string' &&
    isTexts(value['actions'])
  )
}

function isVouchedFor(value: unknown): boolean {
  return (
    isObject(value) &&
    (value['kind'] === 'user' || value['kind'] === 'workload') &&
    isTexts(value['groups']) &&
    isTexts(value['claims'])
  )
}
