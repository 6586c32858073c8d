/** `berth trash empty`: what was deleted is given up, after it was shown and somebody agreed. */
import type { Actor } from '../metadata/actor.ts'
import { type Emptied, emptyTrash } from '../metadata/empty-trash.ts'
import { findRepository } from '../metadata/repositories.ts'
import { findTrashEntry, listTrash, trashTotals, type TrashTotals } from '../metadata/trash.ts'
import type { RepositoryName } from '../oci/reference.ts'
import type { OpenedData } from '../storage.ts'
import { CONFIG_OPTION, parseArguments } from './arguments.ts'
import type { Io } from './command.ts'
import { canAsk, confirm } from './confirm.ts'
import { readRepository } from './named.ts'
import { operator, whyReadOnly } from './operator.ts'
import { recordAudit } from './record-audit.ts'
import { createProgress } from './progress.ts'
import { numberText } from './quantities.ts'
import { refuse, refuseUse } from './refusal.ts'
import { createTable } from './table.ts'
import { emptiedText, emptyingText, entryRow, TRASH_HEADER } from './trash-text.ts'
import { withData } from './with-data.ts'

const SHOWN_BEFORE_EMPTYING = 10

type Context = { io: Io; data: OpenedData; signal: AbortSignal }
/** All of the trash, where neither is said. */
type What = { repository?: RepositoryName; deletion?: number }

const EMPTY_OPTIONS = { ...CONFIG_OPTION, yes: { type: 'boolean', short: 'y' } } as const

export async function emptyOf(args: readonly string[], io: Io): Promise<number> {
  const parsed = parseArguments('trash empty', args, EMPTY_OPTIONS, 1, io)
  if (parsed === undefined) return 2
  const { values, positionals } = parsed
  const isOne = /^[1-9]\d{0,14}$/.test(positionals[0] ?? '')
  const repository = isOne ? { name: undefined } : readRepository(positionals[0])
  if ('wrong' in repository) return refuseUse(io, 'trash empty', repository.wrong)
  const what = {
    ...(repository.name !== undefined && { repository: repository.name }),
    ...(isOne && { deletion: Number(positionals[0]) }),
  }
  return withData(io, values.config, (data, signal) => empty({ io, data, signal }, what, values.yes === true))
}

async function empty({ io, data, signal }: Context, what: What, isSure: boolean): Promise<number> {
  const readOnly = whyReadOnly(data.config)
  if (readOnly !== undefined) return refuse(io, 'trash empty', readOnly)
  const { db } = data.metadata
  const { repository, deletion } = what
  if (repository !== undefined && (await findRepository(db, repository)) === undefined)
    return refuse(io, 'trash empty', `there is no repository ${repository}`)
  const now = Date.now()
  const entry = deletion === undefined ? undefined : await findTrashEntry(db, deletion)
  if (deletion !== undefined && entry === undefined)
    return refuse(io, 'trash empty', `there is no deletion ${deletion} in the trash: see "berth trash list"`)
  const totals: TrashTotals =
    entry === undefined
      ? await addUp({ io, data, signal }, repository, now)
      : { deletions: 1, manifests: entry.manifests, bytes: entry.bytes, isCut: false }
  if (signal.aborted) return 1
  if (totals.deletions === 0) {
    io.stdout.write('The trash is empty: there is nothing to free.\n')
    return 0
  }
  const first =
    entry === undefined
      ? (await listTrash(db, { repository, now, limit: SHOWN_BEFORE_EMPTYING })).entries
      : [entry]
  io.stdout.write(createTable(TRASH_HEADER(now, false)).lines(first.map((one) => entryRow(one, now, false))))
  io.stdout.write(emptyingText(totals, first.length))
  if (!isSure && !canAsk(io))
    return refuseUse(io, 'trash empty', 'nothing was done; nobody can be asked here, so say --yes')
  if (!isSure && !(await confirm('Give it up for good?', io))) {
    io.stdout.write('Nothing was done.\n')
    return 1
  }
  const actor = operator('berth trash empty', 'api', Date.now())
  const emptied = await giveUp({ io, data, signal }, what, actor)
  const detail = { ...(deletion !== undefined && { deletion }), deletions: totals.deletions }
  await recordAudit({ io, data }, actor, 'delete', repository ?? 'trash', detail)
  io.stdout.write(emptiedText(totals.deletions, emptied))
  return signal.aborted ? 1 : 0
}

async function addUp(
  { io, data, signal }: Context,
  repository: RepositoryName | undefined,
  now: number,
): Promise<TrashTotals> {
  const progress = createProgress(io)
  const onProgress = (deletions: number) => progress.update(`adding up: ${numberText(deletions)} deletions`)
  const totals = await trashTotals(data.metadata.db, { repository, now, signal, onProgress })
  progress.end()
  return totals
}

async function giveUp({ io, data, signal }: Context, what: What, actor: Actor): Promise<Emptied> {
  const progress = createProgress(io)
  const emptied = await emptyTrash(data.metadata.db, {
    ...what,
    ...{ actor, now: actor.now, signal },
    onProgress: (due) => progress.update(`emptying: ${numberText(due)} deletions`),
  })
  progress.end()
  return emptied
}
