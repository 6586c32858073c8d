/** Of what a token is asked for, what it gets: all that is allowed, and no error for the rest. */
import { findRepository } from '../../metadata/repositories.ts'
import type { Db } from '../../metadata/database.ts'
import type { Access } from '../access.ts'
import type { Principal, TokenGrant } from '../principal.ts'
import type { AskedScopes } from './scope.ts'

/** Characters of names in a token: it has to fit in a header that clients and proxies take. */
const MOST_CHARACTERS = 3000

/** The rules are asked again whenever the token is used; this only says what it can be used for. */
export async function grantOfScopes(
  principal: Principal,
  asked: AskedScopes,
  { access, db }: { access: Access; db: Pick<Db, 'cached'> },
): Promise<TokenGrant> {
  const now = await access.current()
  const repositories = new Map<string, ReadonlySet<string>>()
  const rows = new Map<string, number>()
  let characters = 0
  for (const [name, actions] of asked.repositories) {
    const allowed = [...actions].filter((action) => now.may(principal, action, name))
    characters += allowed.length === 0 ? 0 : 2 * name.length + 60
    if (allowed.length === 0 || characters > MOST_CHARACTERS) continue
    repositories.set(name, new Set(allowed))
    const row = (await findRepository(db, name))?.id
    if (row !== undefined) rows.set(name, row)
  }
  return { repositories, rows, catalog: asked.catalog }
}

/** As text, in the form in which it was asked for. */
export function scopesOfGrant({ repositories, catalog }: TokenGrant): string {
  const scopes = [...repositories].map(([name, actions]) => `repository:${name}:${[...actions].join(',')}`)
  return [...(catalog ? ['registry:catalog:*'] : []), ...scopes].join(' ')
}
