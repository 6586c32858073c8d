/**
 * `berth garbage-collect`, also `registry garbage-collect`: the command of CNCF Distribution that stands in people's cron,
 * with its arguments and its words. What it does is what `berth gc --unused` does, and for `-m` a delete of each manifest
 * that no tag leads to.
 */
import { deleteUntagged } from '../jobs/delete-untagged.ts'
import type { CollectionPlan } from '../metadata/collection-plans.ts'
import { countBlobs } from '../metadata/waiting.ts'
import { type Collection, collectionOf, holdText, plan, removeFiles, run, whyNotNow } from './collection.ts'
import { itemsOf } from './collection-list.ts'
import { skippedText } from './collection-text.ts'
import type { Command } from './command.ts'
import { operator } from './operator.ts'
import { recordAudit } from './record-audit.ts'
import { writeAll } from './output.ts'
import { bytesText, countText } from './quantities.ts'
import { momentText } from './times.ts'
import { withData } from './with-data.ts'

const help = `\`garbage-collect\` deletes blobs that no manifest names, as CNCF Distribution's command does

Usage:
  registry garbage-collect [CONFIG] [flags]

Flags:
  -d, --dry-run           do everything except remove
  -m, --delete-untagged   delete manifests that no tag leads to: neither their own, nor an index's, nor their subject's
  -h, --help              help for garbage-collect
  -q, --quiet             silence output

CONFIG is the registry's configuration file; without it REGISTRY_CONFIGURATION_PATH names it, and without that there is
none, and the data are in ./data.

The registry need not be stopped or made read-only: this works beside it, and pushes and pulls go on. Nothing that was
pushed, or that a client was told is there, in the last day is removed. What -m deletes is in the trash for trash.keep
and can be restored ("berth trash list"); its space is freed after that. "berth gc --help" tells more.
`

type Flags = { dryRun: boolean; untagged: boolean; quiet: boolean; config: string | undefined }
type FlagName = 'dryRun' | 'untagged' | 'quiet'

const FLAGS: Readonly<Record<string, FlagName>> = {
  d: 'dryRun',
  'dry-run': 'dryRun',
  m: 'untagged',
  'delete-untagged': 'untagged',
  q: 'quiet',
  quiet: 'quiet',
}
/** What Go's flags take for yes and no. */
const TRUE: ReadonlySet<string> = new Set(['1', 't', 'T', 'true', 'TRUE', 'True'])
const FALSE: ReadonlySet<string> = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False'])

export const command: Command = {
  name: 'garbage-collect',
  summary: 'as CNCF Distribution has it: remove what nothing names; -m: untagged manifests',
  help,
  async run(args, io) {
    const flags = parseFlags(args)
    if (typeof flags === 'string') {
      io.stderr.write(`berth garbage-collect: ${flags}\n\n${help}`)
      return 2
    }
    return withData(io, flags.config, (data, signal) =>
      collect(collectionOf(io, data, signal, { quiet: flags.quiet }), flags),
    )
  },
}

/** As Distribution's command line reads them: in any order, together (`-dm`), with a value (`--dry-run=false`). */
function parseFlags(args: readonly string[]): Flags | string {
  const flags: Flags = { dryRun: false, untagged: false, quiet: false, config: undefined }
  let isOver = false
  for (const arg of args) {
    if (isOver || !/^-./.test(arg)) {
      if (flags.config !== undefined) return `takes one configuration file; what is ${JSON.stringify(arg)}?`
      flags.config = arg
    } else if (arg === '--') isOver = true
    else {
      const wrong = setFlags(flags, arg)
      if (wrong !== undefined) return wrong
    }
  }
  return flags
}

function setFlags(flags: Flags, arg: string): string | undefined {
  const [, dashes, names = '', value = 'true'] = /^(--?)([^=]*)(?:=(.*))?$/.exec(arg) ?? []
  const isOn = TRUE.has(value)
  if (!isOn && !FALSE.has(value)) return `${JSON.stringify(value)} is neither true nor false: ${arg}`
  for (const name of dashes === '--' ? [names] : names) {
    const flag = (dashes === '--') === name.length > 1 ? FLAGS[name] : undefined
    if (flag === undefined) return `unknown flag: ${arg}`
    flags[flag] = isOn
  }
  return undefined
}

async function collect(collection: Collection, { dryRun, untagged, quiet }: Flags): Promise<number> {
  const { io, signal } = collection
  const say = async (text: string): Promise<void> => {
    if (!quiet) await writeAll(io, text)
  }
  const why = await whyNotNow(collection)
  if (why !== undefined) {
    io.stderr.write(`failed to garbage collect: ${why}.\n`)
    return 1
  }
  const deleted = untagged ? await deleteWithoutTag(collection, dryRun, quiet) : 0
  const made = await plan(collection, { emptiesTrash: false, takesUnused: true })
  if (made === undefined) return interrupted(collection)
  if (!quiet) await list(collection, made, deleted)
  if (dryRun) {
    await say(`\nNothing was removed. To remove exactly this: berth gc --plan ${made.id}\n`)
    return 0
  }
  const detail = deleted > 0 ? { untagged: deleted } : undefined
  await recordAudit(collection, operator('registry garbage-collect', 'api'), 'collect', 'garbage', detail)
  const result = await run(collection, made)
  const freed = await removeFiles(collection)
  const hold = await holdText(collection)
  await say(`\nfreed ${bytesText(freed.bytes)} in ${countText(freed.files, 'file')}\n${skippedText(result)}`)
  if (hold !== undefined) await say(`${hold}\n`)
  if (deleted > 0) {
    const until = momentText(collection.now() + collection.keepMs)
    await say(
      `${countText(deleted, 'untagged manifest')} deleted: in the trash until ${until}, and freed then ("berth trash list")\n`,
    )
  }
  return signal.aborted ? interrupted(collection) : 0
}

/** @returns how many were deleted, or would be */
function deleteWithoutTag(
  { io, data, signal, now, keepMs, pace }: Collection,
  dryRun: boolean,
  quiet: boolean,
): Promise<number> {
  return deleteUntagged(
    { db: data.metadata.db, now },
    {
      keepMs,
      dryRun,
      pace,
      actor: operator('registry garbage-collect', 'api'),
      onUntagged(repository, digest) {
        if (!quiet) io.stdout.write(`manifest eligible for deletion: {${repository} ${digest} []}\n`)
      },
    },
    signal,
  )
}

/** In Distribution's words. The lines of what it marks are left out: nothing has to be marked. */
async function list({ io, data }: Collection, made: CollectionPlan, deleted: number): Promise<void> {
  const { db } = data.metadata
  for await (const { repository, digest, tags } of itemsOf(db, made.id, 'manifest'))
    await writeAll(io, `manifest eligible for deletion: {${repository} ${digest} [${tags.join(' ')}]}\n`)
  const staying = Math.max(0, (await countBlobs(db)) - made.blobs)
  await writeAll(
    io,
    `\n${staying} blobs marked, ${made.blobs} blobs and ${made.manifests + deleted} manifests eligible for deletion\n`,
  )
  for await (const { digest } of itemsOf(db, made.id, 'blob'))
    await writeAll(io, `blob eligible for deletion: ${digest}\n`)
  for await (const { repository, digest } of itemsOf(db, made.id, 'link'))
    await writeAll(io, `${repository}: layer link eligible for deletion: ${digest}\n`)
}

function interrupted({ io }: Collection): number {
  io.stderr.write(
    'garbage-collect: ended early; everything is whole, and the registry or the next run goes on.\n',
  )
  return 1
}
