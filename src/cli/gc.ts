/** `berth gc`: collects what nothing names, now, and shows beforehand what will go. */
import { findPlan } from '../metadata/collection-plans.ts'
import { type Emptied, emptyTrash } from '../metadata/empty-trash.ts'
import { countGarbage, countWaiting } from '../metadata/waiting.ts'
import { CONFIG_HELP, CONFIG_OPTION, parseArguments } from './arguments.ts'
import { type Collection, collectionOf, collectNow, plan, run, whyNotNow } from './collection.ts'
import { emptiedText, planText, WAITING_SPANS, waitingText } from './collection-text.ts'
import type { Command } from './command.ts'
import { finish, interrupted, listPlan } from './gc-report.ts'
import { operator } from './operator.ts'
import { recordAudit } from './record-audit.ts'
import { refuse, refuseUse } from './refusal.ts'
import { momentText } from './times.ts'
import { withData } from './with-data.ts'

const help = `Usage: berth gc [OPTIONS]

Removes what nothing names any more: manifests whose time in the trash is over, with what only they name, and blobs that
no manifest names and nobody was promised. The registry does this by itself once a minute; this command does it now,
and shows what goes. It works beside the running registry, and pushes and pulls go on meanwhile.

Without an option it says what waits and what will be freed, and then removes that.

  -n, --dry-run       remove nothing: list what would be removed, and keep the list as a plan
      --plan ID       remove what this plan names and nothing else; say what has changed since and stays
      --empty-trash   also what was deleted and could still be restored ("berth trash list" shows it). What a client was
                      promised a short while ago stays until that promise ends, and is named
      --unused        also blobs that came with the folder of CNCF Distribution and that no manifest there named
      --now           do not say beforehand what will go: begin at once
      --rate N        look at N things in a second at most (gc.rate; 0: no limit)
      --json          say it as JSON
${CONFIG_HELP}
Ctrl-C ends it at any time; what is left stays whole, and the registry or the next run goes on with it.
`

const OPTIONS = {
  ...CONFIG_OPTION,
  'dry-run': { type: 'boolean', short: 'n' },
  now: { type: 'boolean' },
  'empty-trash': { type: 'boolean' },
  unused: { type: 'boolean' },
  plan: { type: 'string' },
  rate: { type: 'string' },
  json: { type: 'boolean' },
} as const

type Asked = {
  dryRun: boolean
  now: boolean
  emptyTrash: boolean
  unused: boolean
  plan: number | undefined
  json: boolean
}

export const command: Command = {
  name: 'gc',
  summary: 'remove what nothing names any more, or show what would go',
  help,
  async run(args, io) {
    const parsed = parseArguments('gc', args, OPTIONS, 0, io)
    if (parsed === undefined) return 2
    const { values } = parsed
    const wrong = wrongUse(values)
    if (wrong !== undefined) return refuseUse(io, 'gc', wrong)
    const asked: Asked = {
      dryRun: values['dry-run'] === true,
      now: values.now === true,
      emptyTrash: values['empty-trash'] === true,
      unused: values.unused === true,
      plan: values.plan === undefined ? undefined : Number(values.plan),
      json: values.json === true,
    }
    const rate = values.rate === undefined ? {} : { rate: Number(values.rate) }
    return withData(io, values.config, (data, signal) =>
      collect(collectionOf(io, data, signal, { ...rate, quiet: asked.json }), asked),
    )
  },
}

function wrongUse(values: {
  plan?: string
  rate?: string
  now?: boolean
  unused?: boolean
  'dry-run'?: boolean
  'empty-trash'?: boolean
}): string | undefined {
  const others = [values.now, values.unused, values['dry-run'], values['empty-trash']].includes(true)
  if (values.plan !== undefined && others)
    return '--plan runs a plan as it was made: give no other option with it'
  if (values.now === true && values['dry-run'] === true) return '--now and --dry-run exclude each other'
  if (values.now === true && values.unused === true) return '--unused looks first: leave --now out'
  if (values.plan !== undefined && !/^[1-9]\d{0,14}$/.test(values.plan)) return '--plan takes a number'
  if (values.rate !== undefined && !/^\d{1,7}$/.test(values.rate)) return '--rate takes a number'
  return undefined
}

async function collect(collection: Collection, asked: Asked): Promise<number> {
  const { io } = collection
  const why = await whyNotNow(collection)
  if (why !== undefined) return refuse(io, 'gc', why)
  if (asked.plan !== undefined) return runStored(collection, asked.plan, asked)
  if (asked.dryRun) return dryRun(collection, asked)
  await recordAudit(collection, operator('berth gc', 'api'), 'collect', 'garbage', {
    ...(asked.emptyTrash && { emptyTrash: true }),
  })
  const emptied = asked.emptyTrash ? await empty(collection) : undefined
  if (emptied !== undefined && !asked.json) io.stdout.write(emptiedText(emptied))
  if (asked.now) {
    const collected = await collectNow(collection)
    return finish(collection, asked.json, { removed: collected, emptied })
  }
  if (!asked.json) io.stdout.write(await waiting(collection))
  const made = await plan(collection, { emptiesTrash: false, takesUnused: asked.unused })
  if (made === undefined) return interrupted(collection)
  if (!asked.json) io.stdout.write(`Now: ${planText(made)}.\n`)
  const result = await run(collection, made)
  return finish(collection, asked.json, { removed: result, emptied, plan: made, run: result })
}

function empty({ data, now, signal }: Collection): Promise<Emptied> {
  const time = now()
  const actor = operator('berth gc --empty-trash', 'api', time)
  return emptyTrash(data.metadata.db, { now: time, actor, signal })
}

async function runStored(collection: Collection, id: number, asked: Asked): Promise<number> {
  const { io, data } = collection
  const stored = await findPlan(data.metadata.db, id)
  if (stored?.completedAt === undefined) {
    const what =
      stored === undefined ? `there is no plan ${id}` : `plan ${id} was broken off while it was made`
    return refuse(io, 'gc', `${what}; "berth gc --dry-run" makes one. Plans are kept for a week`)
  }
  if (!asked.json) io.stdout.write(`Plan ${id} of ${momentText(stored.madeAt)}: ${planText(stored)}.\n`)
  await recordAudit(collection, operator('berth gc --plan', 'api'), 'collect', 'garbage', { plan: id })
  const result = await run(collection, stored)
  return finish(collection, asked.json, { removed: result, emptied: undefined, plan: stored, run: result })
}

async function waiting({ data, now }: Collection): Promise<string> {
  const { db } = data.metadata
  const time = now()
  const ends = WAITING_SPANS.map(({ afterMs }) => Math.min(time + afterMs, Number.MAX_SAFE_INTEGER))
  return waitingText(await countWaiting(db, ends), ends, await countGarbage(db, time))
}

async function dryRun(collection: Collection, asked: Asked): Promise<number> {
  const made = await plan(collection, { emptiesTrash: asked.emptyTrash, takesUnused: asked.unused })
  if (made === undefined) return interrupted(collection)
  await listPlan(collection, asked.json, made)
  return 0
}
