/** `berth trash`: what was deleted and can be restored, restored, or gone for good. */
import { findRepository } from '../metadata/repositories.ts'
import { restoreDeletion } from '../metadata/restore-deletion.ts'
import { listTrash, newestDeletionOf } from '../metadata/trash.ts'
import type { OpenedData } from '../storage.ts'
import { CONFIG_HELP, CONFIG_OPTION, parseArguments } from './arguments.ts'
import type { Command, Io } from './command.ts'
import { type Named, readNamed, readRepository } from './named.ts'
import { operator, whyReadOnly } from './operator.ts'
import { recordAudit } from './record-audit.ts'
import { refuse, refuseUse, runVerb } from './refusal.ts'
import { createTable } from './table.ts'
import { emptyOf } from './trash-empty.ts'
import { entryJson, entryRow, refusedText, restoredText, TRASH_HEADER } from './trash-text.ts'
import { withData } from './with-data.ts'

const help = `Usage: berth trash list [REPOSITORY] [--wide] [--json]
       berth trash restore ID | REPOSITORY:TAG | REPOSITORY@DIGEST
       berth trash empty [REPOSITORY | ID] [--yes]

What is deleted stays in the trash for a while (trash.keep, a day unless set) before its space is freed.

list      Shows each deletion that can still be undone: what, when, by whom, until when, and what it will free.
restore   Undoes one: what was deleted is back, whole, with its tags whose names are free. ID is the number that the
          list shows; a tag or a digest means the newest deletion of it.
empty     Gives up all of it, or that of a repository, or one deletion: its space is freed at once instead of later, but
          for what a client was promised a short while ago. Says what that is, and asks.

      --wide    whole digests, and what else is known
      --json    the same for programs, times in UTC
      --yes     do not ask
${CONFIG_HELP}`

const VERBS = { list: listOf, restore: restoreOf, empty: emptyOf } as const
const PAGE = 100

export const command: Command = {
  name: 'trash',
  summary: 'list what was deleted, restore it, or free its space now',
  help,
  run: (args, io) => runVerb('trash', VERBS, args, io),
}

type Context = { io: Io; data: OpenedData; signal: AbortSignal }
/** What an argument names: a deletion by its number, or something in a repository. */
type Target = { id: number } | Named

function readTarget(text: string): Target | string {
  return /^[1-9]\d{0,14}$/.test(text) ? { id: Number(text) } : readNamed(text)
}

const LIST_OPTIONS = { ...CONFIG_OPTION, wide: { type: 'boolean' }, json: { type: 'boolean' } } as const

async function listOf(args: readonly string[], io: Io): Promise<number> {
  const parsed = parseArguments('trash list', args, LIST_OPTIONS, 1, io)
  if (parsed === undefined) return 2
  const { values, positionals } = parsed
  const repository = readRepository(positionals[0])
  if ('wrong' in repository) return refuseUse(io, 'trash list', repository.wrong)
  return withData(io, values.config, (data, signal) =>
    showList({ io, data, signal }, repository.name, values.wide === true, values.json === true),
  )
}

async function showList(
  { io, data, signal }: Context,
  repository: Named['repository'] | undefined,
  isWide: boolean,
  isJson: boolean,
): Promise<number> {
  const { db } = data.metadata
  if (repository !== undefined && (await findRepository(db, repository)) === undefined)
    return refuse(io, 'trash list', `there is no repository ${repository}`)
  const now = Date.now()
  const table = createTable(TRASH_HEADER(now, isWide))
  let count = 0
  let after
  do {
    const page = await listTrash(db, { repository, now, after, limit: PAGE })
    const { entries } = page
    after = page.next
    if (entries.length > 0 && isJson) {
      const lines = entries.map((entry) => JSON.stringify(entryJson(entry)))
      io.stdout.write(`${count === 0 ? '[\n' : ',\n'}${lines.join(',\n')}`)
    } else if (entries.length > 0)
      io.stdout.write(table.lines(entries.map((entry) => entryRow(entry, now, isWide))))
    count += entries.length
  } while (after !== undefined && !signal.aborted)
  if (isJson) io.stdout.write(count === 0 ? '[]\n' : '\n]\n')
  else if (count === 0)
    io.stdout.write('The trash is empty: nothing was deleted that could still be restored.\n')
  return signal.aborted ? 1 : 0
}

async function restoreOf(args: readonly string[], io: Io): Promise<number> {
  const parsed = parseArguments('trash restore', args, CONFIG_OPTION, 1, io)
  if (parsed === undefined) return 2
  const [text] = parsed.positionals
  if (text === undefined)
    return refuseUse(io, 'trash restore', 'say which deletion: "berth trash list" shows their numbers')
  const target = readTarget(text)
  if (typeof target === 'string') return refuseUse(io, 'trash restore', target)
  if (!('id' in target) && target.tag === undefined && target.digest === undefined)
    return refuseUse(
      io,
      'trash restore',
      `${text} is a whole repository: say a tag or a digest of it, or a deletion’s number`,
    )
  return withData(io, parsed.values.config, (data) => restore({ io, data }, text, target))
}

async function restore({ io, data }: Omit<Context, 'signal'>, text: string, target: Target): Promise<number> {
  const readOnly = whyReadOnly(data.config)
  if (readOnly !== undefined) return refuse(io, 'trash restore', readOnly)
  const { db } = data.metadata
  const id = 'id' in target ? target.id : await newest(data, target)
  if (id === undefined)
    return refuse(
      io,
      'trash restore',
      `nothing that was deleted and could be restored is called ${text}: see "berth trash list"`,
    )
  const actor = operator('berth trash restore', 'restore')
  const outcome = await restoreDeletion(db, id, actor)
  if (outcome.kind !== 'restored') return refuse(io, 'trash restore', refusedText(id, outcome))
  const { deletion, tags } = outcome
  const detail = { deletion: id, ...(tags.length > 0 && { tags: tags.join(' ') }) }
  await recordAudit({ io, data }, actor, 'restore', `${deletion.repository}@${deletion.digest}`, detail)
  io.stdout.write(restoredText(outcome))
  return 0
}

function newest(
  { metadata: { db } }: OpenedData,
  { repository, tag, digest }: Named,
): Promise<number | undefined> {
  if (tag !== undefined) return newestDeletionOf(db, repository, { tag })
  return digest === undefined ? Promise.resolve(undefined) : newestDeletionOf(db, repository, { digest })
}
