/** What `berth check` was asked to do. */
import { parseSource } from '../jobs/sources/parse-source.ts'
import { type Source, SourceError } from '../jobs/sources/source.ts'
import { CONFIG_HELP, CONFIG_OPTION, parseArguments } from './arguments.ts'
import type { Io } from './command.ts'

export const help = `berth check: compares what is stored with what the database says of it, and repairs it

Usage:
  berth check [OPTIONS]

Runs beside the registry, or when it is stopped. Without --repair and --remove-unknown nothing is changed, but that it
is written down which blobs were found whole.

Options:
${CONFIG_HELP}  --rehash            compares the bytes of every blob with its digest, those longest not verified first. Without
                      it, that each file is there, has its size and was not touched since
  --since TIME        with --rehash: leaves out what was verified since then: 12h, 30d, 2026-11-22T04:10:00Z
  --repository NAME   only what this repository needs
  --repair            what is damaged is not served any more (the next push heals it), and comes back from where it
                      still is; counts are made right; what was forgotten is given to the collector
  --from SOURCE       with --repair: where to look for it, after this data folder itself. Another registry
                      (https://registry.example.com:5000, with /PREFIX if its repositories' names begin with that) or a
                      folder (of Berth, of CNCF Distribution, an OCI layout). May be given several times. Passwords:
                      https://user:password@..., or those of "docker login"
  --remove-unknown    removes files that no row knows and that nobody wrote to for seven days; lists them first
  --yes               does not ask
  --rate MIB          reads at most so many MiB a second
  --json              the result as one JSON document

Exit codes: 0 all is well, or was repaired; 1 something is not; 2 wrong arguments.
`

const OPTIONS = {
  ...CONFIG_OPTION,
  rehash: { type: 'boolean' },
  since: { type: 'string' },
  repository: { type: 'string' },
  repair: { type: 'boolean' },
  from: { type: 'string', multiple: true },
  'remove-unknown': { type: 'boolean' },
  yes: { type: 'boolean', short: 'y' },
  rate: { type: 'string' },
  json: { type: 'boolean' },
} as const

export type CheckRequest = {
  config: string | undefined
  rehash: boolean
  since: number | undefined
  repository: string | undefined
  repair: boolean
  sources: Source[]
  removeUnknown: boolean
  yes: boolean
  bytesPerSecond: number | undefined
  json: boolean
}

/** @returns undefined: something is wrong, and it was said */
export function readCheckArguments(args: readonly string[], io: Io, now: number): CheckRequest | undefined {
  const parsed = parseArguments('check', args, OPTIONS, 0, io)
  if (parsed === undefined) return undefined
  const { values } = parsed
  const refuse = (what: string): undefined => {
    io.stderr.write(`berth check: ${what}. See "berth check --help".\n`)
    return undefined
  }
  const since = values.since === undefined ? undefined : timeOf(values.since, now)
  if (Number.isNaN(since)) return refuse('--since is a time (2026-11-22T04:10:00Z) or an age (12h, 30d)')
  if (since !== undefined && values.rehash !== true) return refuse('--since goes with --rehash')
  const rate = values.rate === undefined ? undefined : Number(values.rate)
  if (rate !== undefined && !(rate > 0 && rate < 1e6))
    return refuse('--rate is a number of MiB a second, e.g. 50')
  const from = values.from ?? []
  if (from.length > 0 && values.repair !== true) return refuse('--from goes with --repair')
  if (values['remove-unknown'] === true && values.repository !== undefined)
    return refuse(
      'files that no row knows belong to no repository: --remove-unknown goes without --repository',
    )
  let sources: Source[]
  try {
    sources = from.map((text) => parseSource(text, io.env))
  } catch (error) {
    if (!(error instanceof SourceError)) throw error
    return refuse(`--from: ${error.message}`)
  }
  return {
    config: values.config,
    rehash: values.rehash === true,
    since,
    repository: values.repository,
    repair: values.repair === true,
    sources,
    removeUnknown: values['remove-unknown'] === true,
    yes: values.yes === true,
    bytesPerSecond: rate === undefined ? undefined : rate * 1024 * 1024,
    json: values.json === true,
  }
}

const UNITS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 }

/** NaN: neither a time nor an age. */
function timeOf(text: string, now: number): number {
  const [, number, unit] = /^(\d+)([mhd])$/.exec(text) ?? []
  if (number !== undefined && unit !== undefined) return now - Number(number) * (UNITS[unit] as number)
  return /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : NaN
}
