/** What a command changed, for the record of who did what. */
import type { AuditAct, AuditEntry } from '../auth/audit.ts'
import { auditRowOf } from '../auth/audit-row.ts'
import type { Actor } from '../metadata/actor.ts'
import { insertAudit } from '../metadata/audit.ts'
import type { OpenedData } from '../storage.ts'
import type { Io } from './command.ts'
import { whyDataFailed } from './data-failures.ts'

/**
 * To be called when the change is made: that it cannot be recorded undoes nothing, and is said.
 * @param actor as {@link operator} gives it
 * @param target as `team/app:1`, `user:alice`
 */
export async function recordAudit(
  { io, data }: { io: Pick<Io, 'stderr'>; data: Pick<OpenedData, 'config' | 'metadata'> },
  actor: Actor,
  act: AuditAct,
  target: string,
  detail?: AuditEntry['detail'],
): Promise<void> {
  if (!data.config.audit.enabled) return
  const { principalId: id, principalName: name, client, requestId, now } = actor
  const entry: AuditEntry = {
    ...{ act, outcome: 'done', principal: { id, name }, target, address: '', client, requestId },
    ...(detail !== undefined && { detail }),
  }
  try {
    await insertAudit(data.metadata.db, [auditRowOf(entry, now)])
  } catch (error) {
    const why = whyDataFailed(error)
    if (why === undefined) throw error
    io.stderr.write(`berth: it is done, but it could not be recorded who did it: ${why}.\n`)
  }
}
