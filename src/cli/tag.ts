/** `berth tag`: every move of a tag, and a tag pointed back. */
import { digestToStoredHex, type Digest, isDigest } from '../oci/digest.ts'
import type { RepositoryName, Tag } from '../oci/reference.ts'
import { repositoryHistory, restoreTag, tagHistory, type TagMove } from '../metadata/tag-history.ts'
import { findRepository } from '../metadata/repositories.ts'
import { findTakeover } from '../metadata/takeover.ts'
import type { OpenedData } from '../storage.ts'
import { CONFIG_HELP, CONFIG_OPTION, parseArguments } from './arguments.ts'
import type { Command, Io } from './command.ts'
import { type Named, readNamed } from './named.ts'
import { operator, whyReadOnly } from './operator.ts'
import { recordAudit } from './record-audit.ts'
import { refuse, refuseUse, runVerb } from './refusal.ts'
import { createTable } from './table.ts'
import { historyHeader, historyRow, moveJson, tagRestoredText } from './tag-text.ts'
import { withData } from './with-data.ts'

const help = `Usage: berth tag history REPOSITORY[:TAG] [--limit N] [--wide] [--json]
       berth tag restore REPOSITORY:TAG [--to DIGEST]

history   Shows where a tag pointed, newest first: when it was moved or deleted, by whom, from where to where. Without a
          tag, the moves of all tags of the repository. "trash" says that a manifest was deleted and comes back when it
          is restored, "gone" that it was removed and has to be pushed again.
restore   Points a tag back: to where it pointed before its last move, or to DIGEST, which its history must name (its
          first digits are enough). A deleted tag comes back, and a deleted manifest with all that belongs to it.
          Said twice, the second undoes the first. Pulls see it at once.

      --limit N     at most N moves (30 unless said; 0: all)
      --wide        whole digests, and what else is known
      --json        the same for programs, times in UTC
      --to DIGEST   where the tag is to point
${CONFIG_HELP}`

const VERBS = { history: historyOf, restore: restoreOf } as const
const PAGE = 200

export const command: Command = {
  name: 'tag',
  summary: 'show where a tag pointed and who moved it, or point it back',
  help,
  run: (args, io) => runVerb('tag', VERBS, args, io),
}

const HISTORY_OPTIONS = {
  ...CONFIG_OPTION,
  limit: { type: 'string' },
  wide: { type: 'boolean' },
  json: { type: 'boolean' },
} as const

async function historyOf(args: readonly string[], io: Io): Promise<number> {
  const parsed = parseArguments('tag history', args, HISTORY_OPTIONS, 1, io)
  if (parsed === undefined) return 2
  const { values, positionals } = parsed
  const named = readNamed(positionals[0] ?? '')
  const limit = values.limit ?? '30'
  const wrong =
    positionals[0] === undefined
      ? 'say which repository or tag'
      : typeof named === 'string'
        ? named
        : named.digest !== undefined
          ? 'a digest has no history: say a repository or a tag'
          : /^\d{1,9}$/.test(limit)
            ? undefined
            : '--limit takes a number'
  if (wrong !== undefined || typeof named === 'string') return refuseUse(io, 'tag history', wrong ?? '')
  return withData(io, values.config, (data, signal) =>
    showHistory({ io, data, signal }, named, {
      limit: Number(limit) || Infinity,
      isWide: values.wide === true,
      isJson: values.json === true,
    }),
  )
}

type Context = { io: Io; data: OpenedData; signal: AbortSignal }

async function showHistory(
  { io, data, signal }: Context,
  named: Named,
  { limit, isWide, isJson }: { limit: number; isWide: boolean; isJson: boolean },
): Promise<number> {
  const { db } = data.metadata
  const now = Date.now()
  const table = createTable(historyHeader(now, named, isWide))
  let count = 0
  for await (const page of pagesOf(data, named, now, limit)) {
    if (signal.aborted) return 1
    const lines = page.map((move) => JSON.stringify(moveJson(move)))
    if (isJson) io.stdout.write(`${count === 0 ? '[\n' : ',\n'}${lines.join(',\n')}`)
    else io.stdout.write(table.lines(page.map((move) => historyRow(move, now, named, isWide))))
    count += page.length
  }
  if (count > 0) {
    if (isJson) io.stdout.write('\n]\n')
    return 0
  }
  const isKnown = (await findRepository(db, named.repository)) !== undefined
  if (isKnown && named.tag === undefined) {
    io.stdout.write(isJson ? '[]\n' : `No tag of ${named.repository} was ever moved.\n`)
    return 0
  }
  return refuse(io, 'tag history', await unknownText(data, named, isKnown))
}

async function* pagesOf(
  { metadata: { db } }: OpenedData,
  { repository, tag }: Named,
  now: number,
  limit: number,
): AsyncGenerator<TagMove[], void> {
  let left = limit
  let before: number | undefined
  let after
  while (left > 0) {
    const size = Math.min(left, PAGE)
    let moves: TagMove[]
    if (tag === undefined) {
      const page = await repositoryHistory(db, repository, { limit: size, now, after })
      moves = page.moves
      after = page.next
    } else moves = await tagHistory(db, repository, tag, { limit: size, now, before })
    if (moves.length > 0) yield moves
    left -= moves.length
    before = moves.at(-1)?.seq
    if (moves.length < size || (tag === undefined && after === undefined)) return
  }
}

async function unknownText(data: OpenedData, { repository, tag }: Named, isKnown: boolean): Promise<string> {
  const takeover = await findTakeover(data.metadata.db)
  const isPartial = takeover !== undefined && takeover.completedAt === undefined
  const what = isKnown ? `${repository} never had a tag ${tag}` : `there is no repository ${repository}`
  return isPartial
    ? `${what}, as far as the folder of CNCF Distribution has been taken over: the running registry goes on with it`
    : what
}

const RESTORE_OPTIONS = { ...CONFIG_OPTION, to: { type: 'string' } } as const

async function restoreOf(args: readonly string[], io: Io): Promise<number> {
  const parsed = parseArguments('tag restore', args, RESTORE_OPTIONS, 1, io)
  if (parsed === undefined) return 2
  const { values, positionals } = parsed
  const named = readNamed(positionals[0] ?? '')
  if (positionals[0] === undefined) return refuseUse(io, 'tag restore', 'say which tag: REPOSITORY:TAG')
  if (typeof named === 'string') return refuseUse(io, 'tag restore', named)
  const { repository, tag } = named
  if (tag === undefined) return refuseUse(io, 'tag restore', `say which tag: ${repository}:TAG`)
  if (values.to !== undefined && !isDigest(values.to) && !PREFIX.test(values.to))
    return refuseUse(io, 'tag restore', '--to takes a digest, or at least its first 6 digits')
  return withData(io, values.config, (data) => pointBack({ io, data }, repository, tag, values.to))
}

const PREFIX = /^(?:sha256:|sha512:)?[0-9a-f]{6,128}$/

async function pointBack(
  { io, data }: Omit<Context, 'signal'>,
  repository: RepositoryName,
  tag: Tag,
  to: string | undefined,
): Promise<number> {
  const readOnly = whyReadOnly(data.config)
  if (readOnly !== undefined) return refuse(io, 'tag restore', readOnly)
  const digest = to === undefined || isDigest(to) ? to : await findByPrefix(data, repository, tag, to)
  if (typeof digest === 'object') return refuse(io, 'tag restore', digest.wrong)
  const actor = operator('berth tag restore', 'restore')
  const outcome = await restoreTag(data.metadata.db, repository, tag, digest, actor)
  const name = `${repository}:${tag}`
  switch (outcome.kind) {
    case 'restored':
    case 'unchanged':
      if (outcome.kind === 'restored')
        await recordAudit({ io, data }, actor, 'restore', name, { digest: outcome.digest })
      io.stdout.write(tagRestoredText(name, outcome))
      return 0
    case 'unknown': {
      const isKnown = (await findRepository(data.metadata.db, repository)) !== undefined
      return refuse(io, 'tag restore', await unknownText(data, { repository, tag }, isKnown))
    }
    case 'nothing-before':
      return refuse(
        io,
        'tag restore',
        `${name} has not been moved since it was made: there is nothing to go back to`,
      )
    case 'not-in-history':
      return refuse(
        io,
        'tag restore',
        `${name} never pointed to ${outcome.digest}: "berth tag history ${name}" shows where it did`,
      )
    case 'gone':
      return refuse(
        io,
        'tag restore',
        `${name} cannot point to ${outcome.digest}: it was deleted, and its time in the trash is over or the trash was ` +
          `emptied. It has to be pushed again; "berth tag history ${name}" shows what is still there`,
      )
  }
}

/** Of the digests that the tag's history names, the one that begins so. */
async function findByPrefix(
  data: OpenedData,
  repository: RepositoryName,
  tag: Tag,
  prefix: string,
): Promise<Digest | { wrong: string }> {
  const digits = prefix.slice(prefix.indexOf(':') + 1)
  const found = new Map<string, Digest>()
  for await (const page of pagesOf(data, { repository, tag }, Date.now(), Infinity))
    for (const { from, to } of page)
      for (const end of [from, to]) {
        if (end?.digest.slice(7).startsWith(digits) !== true) continue
        found.set(digestToStoredHex(end.digest), end.digest)
      }
  const [first, second] = found.values()
  if (first === undefined)
    return {
      wrong: `no digest in the history of ${repository}:${tag} begins with ${digits}: "berth tag history ${repository}:${tag}" shows them`,
    }
  if (second !== undefined) return { wrong: `${digits} is the beginning of several: ${first}, ${second}` }
  return first
}
