/** What a request needs, as Distribution says it in `WWW-Authenticate` and in the body of a 401. */
import type { IncomingMessage } from 'node:http'
import { isRepositoryName, type RepositoryName } from '../../oci/reference.ts'
import type { Permission, RepositoryAction } from '../permission.ts'

/** Distribution's `auth.Access`; the names are those of its JSON. */
export type AccessRecord = { Type: string; Class: string; Name: string; Action: string }

/** Who pushes is always asked for pull too: a push looks whether what it has is there. */
export const NEEDED_ACTIONS: Readonly<Record<RepositoryAction, readonly string[]>> = {
  pull: ['pull'],
  push: ['pull', 'push'],
  delete: ['delete'],
}

/** The repository that a mount takes from; it has to be readable too. */
export function mountSource({ method, url = '' }: IncomingMessage): RepositoryName | undefined {
  if (method !== 'POST' || !url.includes('from=')) return undefined
  const query = url.indexOf('?')
  const from = query < 0 ? null : new URLSearchParams(url.slice(query + 1)).get('from')
  return from !== null && isRepositoryName(from) ? from : undefined
}

export function accessRecords(
  permissions: readonly Permission[],
  source: RepositoryName | undefined,
): AccessRecord[] {
  const records = permissions.flatMap(recordsOf)
  const isOfRepository = permissions.some(({ on }) => on === 'repository')
  return isOfRepository && source !== undefined ? [...records, record('repository', source, 'pull')] : records
}

function recordsOf(permission: Permission): AccessRecord[] {
  if (permission.on === 'registry') return []
  if (permission.on === 'catalog' || permission.on === 'search') return [record('registry', 'catalog', '*')]
  const { repository, action } = permission
  return NEEDED_ACTIONS[action].map((needed) => record('repository', repository, needed))
}

function record(Type: string, Name: string, Action: string): AccessRecord {
  return { Type, Class: '', Name, Action }
}

/** `repository:team/app:pull,push repository:team/base:pull`; empty: nothing in particular. */
export function scopeOf(records: readonly AccessRecord[]): string {
  const actions = new Map<string, Set<string>>()
  for (const { Type, Name, Action } of records) {
    const resource = `${Type}:${Name}`
    const known = actions.get(resource) ?? new Set()
    actions.set(resource, known.add(Action))
  }
  return [...actions].map(([resource, asked]) => `${resource}:${[...asked].join(',')}`).join(' ')
}

/** The token server on the host that was asked, as clients see it behind a proxy. */
export function redirectRealm({ headers }: IncomingMessage, path: string): string {
  const forwarded = headers['x-forwarded-proto']
  const scheme = forwarded === 'http' ? 'http' : 'https'
  return `${scheme}://${headers.host ?? ''}${path}`
}
