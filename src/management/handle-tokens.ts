/** Personal tokens. */
import type { Principal } from '../auth/principal.ts'
import { createSecret } from '../auth/secrets.ts'
import { addSecret, findSecretById, type ListedSecret, revokeSecret } from '../metadata/access/secrets.ts'
import type { tokenRoutes } from './contract-secrets.ts'
import type { HandlersOf } from './exchange.ts'
import { futureOf, newSecret, secretOf, told } from './handle-robots.ts'
import type { SignInPart } from './mode.ts'
import { cursorId, cursorOf } from './pages.ts'
import { notFound, Problem } from './problem.ts'
import { liveSecretsOf } from './sessions.ts'

/** Of one person. */
const MOST_TOKENS = 200

export function createTokenHandlers({
  db,
  accounts,
  now,
}: Pick<SignInPart, 'db' | 'accounts' | 'now'>): HandlersOf<keyof typeof tokenRoutes> {
  return {
    async listTokens({ query, caller: { principal } }) {
      const holder = query.holder ?? principal.id
      if (!maySee(principal, holder)) throw new Problem('DENIED', "only administrators see others' tokens")
      const after = cursorId(query) ?? 0
      const rows = (await liveSecretsOf(db, holder, 'personal', now())).filter(({ id }) => id > after)
      const shown = rows.slice(0, query.limit)
      const last = shown.at(-1)
      return {
        items: shown.map(tokenOf),
        next: rows.length > shown.length && last !== undefined ? cursorOf(last.id) : null,
      }
    },
    async createToken({ body, caller: { principal }, actor, detail }) {
      // Who is known by nothing but a certificate, say, could not be looked at again.
      const account = await accounts.find(principal.id, undefined)
      if (account === undefined)
        throw new Problem('CONFLICT', 'an account of this kind has no personal tokens')
      if ((await liveSecretsOf(db, principal.id, 'personal', now())).length >= MOST_TOKENS)
        throw new Problem('CONFLICT', `a person has at most ${MOST_TOKENS} tokens: revoke one first`)
      const expiresAt = futureOf(body.expiresAt, now()) ?? undefined
      const { text, hash, hint } = createSecret('personal')
      const { name, scopes } = body
      // It outlives a change of the password, and ends with the account.
      const id = await addSecret(
        db,
        {
          kind: 'personal',
          hash,
          hint,
          holder: principal.id,
          holderName: principal.name,
          name,
          ...(account.person !== undefined && { stamp: account.person }),
          ...(scopes != null && { scopes }),
          ...(expiresAt !== undefined && { expiresAt }),
        },
        actor,
      )
      detail['added'] = hint
      detail['scopes'] = scopes == null ? 'all' : told(scopes)
      const row = newSecret(id, hint, expiresAt, actor)
      return { ...row, name, holder: principal.id, scopes: scopes ?? null, secret: text }
    },
    async revokeToken({ params: { id }, caller: { principal }, actor, detail }) {
      const row = await findSecretById(db, id)
      const isSeen = row?.kind === 'personal' && maySee(principal, row.holder)
      if (!isSeen || !(await revokeSecret(db, row, actor))) throw notFound(`token ${id}`)
      detail['revoked'] = row.hint
      detail['holder'] = row.holder
    },
  }
}

function maySee({ id, isAdmin }: Principal, holder: string): boolean {
  return holder === id || isAdmin
}

function tokenOf(row: ListedSecret) {
  const scopes = row.scopes?.map(({ repositories, actions }) => ({
    repositories,
    actions: [...actions] as never,
  }))
  return { ...secretOf(row), name: row.name, holder: row.holder, scopes: scopes ?? null }
}
