/** `berth audit`: who did what, from where. */
import { setTimeout as wait } from 'node:timers/promises'
import { AUDIT_ACTS } from '../auth/audit.ts'
import { type AuditFilter, type AuditRow, eachAudit, lastAuditId, listAudit } from '../metadata/audit.ts'
import type { OpenedData } from '../storage.ts'
import { CONFIG_HELP, CONFIG_OPTION, parseArguments, type Parsed } from './arguments.ts'
import { auditCells, auditHeader, auditJson } from './audit-text.ts'
import type { Command, Io } from './command.ts'
import { readMoment } from './moment-argument.ts'
import { writeAll } from './output.ts'
import { refuseUse } from './refusal.ts'
import { createTable } from './table.ts'
import { withData } from './with-data.ts'

const OUTCOMES = ['done', 'refused', 'failed'] as const

const help = `Usage: berth audit [OPTIONS]

Shows who did what, and from where: sign-ins, what was pushed and deleted, who was refused, changes of accounts and rules.
Newest last. Works beside the running registry, which writes an entry a moment after it happened. What comes again and
again is one line with its number (×): refusals within a minute, sign-ins within an hour. Pulls are not recorded.

      --since TIME       from then on: 2h, 30m, 7d ago, or 2026-11-22, "2026-11-22 14:30"
      --until TIME       before then
      --who NAME         of this name
      --what TARGET      what begins so: team/app, team/app:1, user:alice
      --act ACT,…        ${AUDIT_ACTS.slice(0, 8).join(', ')},
                         ${AUDIT_ACTS.slice(8).join(', ')}
      --outcome OUTCOME  ${OUTCOMES.join(', ')}
      --limit N          the last N (0: all). Without it: all since TIME, or else the last 50
      --follow           go on with what happens from now on, until Ctrl-C
      --wide             whole names, and what else is known
      --json             a line of JSON each, times in UTC
${CONFIG_HELP}`

const OPTIONS = {
  ...CONFIG_OPTION,
  since: { type: 'string' },
  until: { type: 'string' },
  who: { type: 'string' },
  what: { type: 'string' },
  act: { type: 'string' },
  outcome: { type: 'string' },
  limit: { type: 'string' },
  follow: { type: 'boolean', short: 'f' },
  wide: { type: 'boolean' },
  json: { type: 'boolean' },
} as const

const LAST = 50
const PAGE = 500
const POLL_MS = 500

export const command: Command = {
  name: 'audit',
  summary: 'show who did what, and from where',
  help,
  async run(args, io) {
    const parsed = parseArguments('audit', args, OPTIONS, 0, io)
    if (parsed === undefined) return 2
    const now = Date.now()
    const asked = readAsked(parsed.values, now)
    if (typeof asked === 'string') return refuseUse(io, 'audit', asked)
    const { json, wide, config } = parsed.values
    const print = json === true ? jsonPrinter(io) : tablePrinter(io, now, wide === true)
    return withData(io, config, (data, signal) => show({ io, data, signal, print }, asked))
  },
}

type Asked = { filter: AuditFilter; limit: number; isFollowing: boolean }

/** @returns a text: what is wrong */
function readAsked(values: Parsed<typeof OPTIONS>['values'], now: number): Asked | string {
  const { since, until, who, what, act, outcome, limit, follow } = values
  const [from, to] = [since, until].map((text) => (text === undefined ? undefined : readMoment(text, now)))
  if (since !== undefined && from === undefined) return `--since ${NO_MOMENT}`
  if (until !== undefined && to === undefined) return `--until ${NO_MOMENT}`
  const acts = act?.split(',')
  const unknown = acts?.find((one) => !AUDIT_ACTS.some((known) => known === one))
  if (unknown !== undefined) return `--act takes ${AUDIT_ACTS.join(', ')}, not ${JSON.stringify(unknown)}`
  const known = OUTCOMES.find((one) => one === outcome)
  if (outcome !== undefined && known === undefined) return `--outcome takes ${OUTCOMES.join(', ')}`
  if (limit !== undefined && !/^\d{1,9}$/.test(limit)) return '--limit takes a number'
  const most = limit === undefined ? (since === undefined ? LAST : 0) : Number(limit)
  return {
    filter: { since: from, until: to, principal: who, target: what, acts, outcome: known },
    limit: most === 0 ? Infinity : most,
    isFollowing: follow === true,
  }
}

const NO_MOMENT = 'takes a time: 30m, 2h or 7d ago, 2026-11-22, or "2026-11-22 14:30"'

type Printer = (rows: readonly AuditRow[]) => Promise<void>
type Context = { io: Io; data: OpenedData; signal: AbortSignal; print: Printer }

function jsonPrinter(io: Io): Printer {
  return (rows) => writeAll(io, rows.map((row) => `${auditJson(row)}\n`).join(''))
}

function tablePrinter(io: Io, now: number, isWide: boolean): Printer {
  const table = createTable(auditHeader(now, isWide))
  return (rows) => writeAll(io, table.lines(rows.map((row) => auditCells(row, now, isWide))))
}

async function show({ io, data, signal, print }: Context, asked: Asked): Promise<number> {
  const { db } = data.metadata
  const { filter, limit, isFollowing } = asked
  let last = isFollowing ? await lastAuditId(db) : 0
  let count = 0
  for await (const rows of limit === Infinity
    ? eachAudit(db, filter, { limit: PAGE })
    : newest(data, asked)) {
    if (signal.aborted) return 1
    await print(rows)
    count += rows.length
    last = Math.max(last, rows.at(-1)?.id ?? 0)
  }
  if (!isFollowing) {
    if (count === 0) io.stderr.write(`${nothingText(data)}\n`)
    return 0
  }
  while (await isStillWanted(signal)) {
    for await (const rows of eachAudit(db, { ...filter, since: undefined }, { after: last, limit: PAGE })) {
      await print(rows)
      last = Math.max(last, rows.at(-1)?.id ?? 0)
    }
  }
  return 0
}

/** The last ones, in the order of time. */
async function* newest(
  { metadata: { db } }: OpenedData,
  { filter, limit }: Asked,
): AsyncGenerator<AuditRow[], void> {
  const found: AuditRow[] = []
  let before: number | undefined
  do {
    const page = await listAudit(db, filter, { limit: Math.min(PAGE, limit - found.length), before })
    found.push(...page.rows)
    before = page.next
  } while (before !== undefined && found.length < limit)
  if (found.length > 0) yield found.toReversed()
}

function nothingText({ config }: OpenedData): string {
  if (config.audit.enabled) return 'Nothing that was recorded fits.'
  return 'Nothing that was recorded fits; nothing is recorded at the moment (audit.enabled is false).'
}

/** @returns false: Ctrl-C */
async function isStillWanted(signal: AbortSignal): Promise<boolean> {
  await wait(POLL_MS, undefined, { signal }).catch(() => undefined)
  return !signal.aborted
}
