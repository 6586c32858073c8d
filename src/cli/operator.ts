/** Who a command acts for, as the history keeps it, and whether it may. */
import { userInfo } from 'node:os'
import type { Config } from '../config/schema.ts'
import type { Actor } from '../metadata/actor.ts'

/** @param client the command as it is typed, `berth tag restore` */
export function operator(client: string, cause: string, now: number = Date.now()): Actor {
  return {
    principalId: 'command',
    principalName: `${userName()} (command line)`,
    client,
    requestId: '',
    cause,
    now,
  }
}

/** A container may run as a number that no name belongs to. */
function userName(): string {
  try {
    return userInfo().username
  } catch {
    return `user ${process.getuid?.() ?? 'unknown'}`
  }
}

/** @returns why nothing may be changed; undefined: it may */
export function whyReadOnly({ storage }: Config): string | undefined {
  if (!storage.maintenance.readonly.enabled) return undefined
  return (
    'the registry is read-only (storage.maintenance.readonly): nothing is restored or removed in it. Take that setting ' +
    'away, restart the registry, and say this command again'
  )
}
