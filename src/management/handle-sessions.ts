/** Signing in and out with a browser. */
import type { IncomingMessage } from 'node:http'
import type { Account } from '../auth/identity.ts'
import { parseSecret } from '../auth/secrets.ts'
import { findSecretById, type ListedSecret, revokeSecret } from '../metadata/access/secrets.ts'
import type { Actor } from '../metadata/actor.ts'
import { createIsSecure } from './caller.ts'
import { endedCookie, sessionCookie } from './cookie.ts'
import type { sessionRoutes } from './contract-me.ts'
import type { HandlersOf } from './exchange.ts'
import { describe } from './handle-me.ts'
import type { SignInPart } from './mode.ts'
import { cursorId, cursorOf, timeOf, timeOrNullOf } from './pages.ts'
import { notFound, Problem } from './problem.ts'
import { ABSOLUTE_MS, liveSecretsOf, type Sessions } from './sessions.ts'

export type SessionOpener = (
  account: Account,
  actor: Actor,
  request: IncomingMessage,
  headers: Headers,
) => Promise<{ id: number; expiresAt: number }>

/** Opens a session, and gives the browser its cookie. */
export function createSessionOpener(sessions: Sessions, publicUrl: string | undefined): SessionOpener {
  const isSecure = createIsSecure(publicUrl)
  return async (account, actor, request, headers) => {
    const { value, id, expiresAt } = await sessions.open(account, actor)
    headers.append('Set-Cookie', sessionCookie(value, ABSOLUTE_MS / 1000, isSecure(request)))
    return { id, expiresAt }
  }
}

export function createSessionHandlers(
  { db, identities, now }: SignInPart,
  open: SessionOpener,
  publicUrl: string | undefined,
): HandlersOf<keyof typeof sessionRoutes> {
  const isSecure = createIsSecure(publicUrl)

  return {
    async signIn({ body: { name, password }, caller, actor, headers, request, actedAs }) {
      if (parseSecret(password) !== undefined)
        throw new Problem('UNAUTHENTICATED', 'this is the secret of a program: sign in with your password')
      const account = await identities.signIn({ name, password }, caller)
      const { principal } = account
      if (principal.kind !== 'user') throw new Problem('UNAUTHENTICATED', 'sessions are for people')
      actedAs(principal)
      headers.delete('Set-Cookie')
      const from = { ...actor, principalId: principal.id, principalName: principal.name }
      const { id, expiresAt } = await open(account, from, request, headers)
      const session = {
        id,
        isCurrent: true,
        createdAt: timeOf(actor.now),
        expiresAt: timeOf(expiresAt),
        lastUsedAt: null,
        lastUsedFrom: null,
        client: actor.client,
      }
      return { ...describe(principal, null), session }
    },
    async listSessions({ caller, query }) {
      const after = cursorId(query) ?? 0
      const live = await liveSecretsOf(db, caller.principal.id, 'session', now())
      const rows = live.filter(({ id }) => id > after)
      const shown = rows.slice(0, query.limit)
      const last = shown.at(-1)
      return {
        items: shown.map((row) => sessionOf(row, caller.sessionId)),
        next: rows.length > shown.length && last !== undefined ? cursorOf(last.id) : null,
      }
    },
    async signOut({ caller, actor, headers, request }) {
      headers.delete('Set-Cookie')
      headers.append('Set-Cookie', endedCookie(isSecure(request)))
      if (caller.sessionId !== undefined)
        await revokeSecret(db, { id: caller.sessionId, kind: 'session' }, actor)
    },
    async endSession({ params: { id }, caller, actor }) {
      const row = await findSecretById(db, id)
      const isOwn = row?.kind === 'session' && row.holder === caller.principal.id
      if (!isOwn || !(await revokeSecret(db, row, actor))) throw notFound(`session ${id}`)
    },
  }
}

function sessionOf(row: ListedSecret, current: number | undefined) {
  return {
    id: row.id,
    isCurrent: row.id === current,
    createdAt: timeOf(row.createdAt),
    expiresAt: timeOf(row.expiresAt ?? row.createdAt),
    lastUsedAt: timeOrNullOf(row.lastUsedAt),
    lastUsedFrom: row.lastUsedFrom ?? null,
    client: row.name,
  }
}
