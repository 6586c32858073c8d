/** The command line. */
import { parseArgs } from 'node:util'
import { FULL, QUICK, type Counts } from './content/content.ts'
import { BenchFailure } from './failure.ts'
import { MODES, type Mode } from './machine/pin.ts'

export const HELP = `Usage: npm run bench -- [OPTIONS]

Measures Berth beside the registries found on the PATH (registry and docker-registry of CNCF Distribution, zot), each
on loopback with an empty folder, filled through the API with the same content. Prints a table; writes bench.json and
bench.svg. Fails on a wrong body, a wrong status, or a registry that died. Linux, with cc; wrk, strace, taskset,
openssl where they are there. A registry that is wrong or ends loses its cell and not the run: the table says FAILED and
why, bench.json is written after each row, and the exit code is 1.

  --quick            a few rows, little content, 2 rounds: less than two minutes
  --rows NAMES       only these rows; * stands for anything: --rows 'blob-*,image-10x4k-c16'
  --peers NAMES      only these, the first is the one that the others are compared with (default: berth and what is
                     found; berth+log, berth+metrics, berth+rules, berth+info, berth+all, distribution+gogc800 only
                     when named).
                     Rows own-* compare Berth with itself, with each of these switched on
  --peer FILE        one more, from a JSON file: {"name", "command": ["x", "--port={port}", "{folder}"], "version",
                     "env", "files": {path: text}, "port", "tls": {"command", "files"}}; may be repeated
  --rounds N         rounds, the order reversed in each other one (default 5)
  --seconds S        time of a cell (default 2; wrk takes whole seconds)
  --counts LIST      how much is there, e.g. tags=3000,repositories=1000,referrers=1000,spread=2000 (default 10,000
                     tags and repositories, 1,000 referrers, 2,000 blobs of each size in spread-*)
  --modes NAMES      one or more of (default: unpinned; for rows own-* shared):
                     unpinned  server and client may use all processors: what a machine gives
                     pinned    the server has the last one, the client the first: what one processor gives
                     shared    both have the last one: what the work costs, without wake-ups of another processor
  --folder DIR       where the registries' folders go (default: the system's temporary folder)
  --out DIR          where bench.json and bench.svg go (default dist/bench)
  --no-syncs         do not count what each side syncs before it answers
  --gate             exit code 1 if a goal is missed, also where nothing failed
  --list             names the rows and the registries, measures nothing
  --help
`

export type Options = {
  isQuick: boolean
  rows: string[]
  peers: string[]
  peerFiles: string[]
  rounds: number
  seconds: number
  counts: Counts
  /** Undefined: what is usual for each row. */
  modes: Mode[] | undefined
  folder: string | undefined
  out: string
  hasSyncs: boolean
  hasGate: boolean
  isList: boolean
  isHelp: boolean
}

/** @throws BenchFailure for what is not understood */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parse(args)
  const isQuick = values.quick === true
  return {
    isQuick,
    rows: listOf(values.rows),
    peers: listOf(values.peers),
    peerFiles: values.peer ?? [],
    rounds: numberOf('rounds', values.rounds, isQuick ? 2 : 5, 1),
    seconds: numberOf('seconds', values.seconds, isQuick ? 1 : 2, 0.05),
    counts: countsOf(values.counts, isQuick ? QUICK : FULL),
    modes: values.modes === undefined ? undefined : modesOf(values.modes),
    folder: values.folder,
    out: values.out ?? 'dist/bench',
    hasSyncs: values['no-syncs'] !== true,
    hasGate: values.gate === true,
    isList: values.list === true,
    isHelp: values.help === true,
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        quick: { type: 'boolean' },
        rows: { type: 'string' },
        peers: { type: 'string' },
        peer: { type: 'string', multiple: true },
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        counts: { type: 'string' },
        modes: { type: 'string' },
        folder: { type: 'string' },
        out: { type: 'string' },
        'no-syncs': { type: 'boolean' },
        gate: { type: 'boolean' },
        list: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    })
  } catch (error) {
    throw new BenchFailure(`${(error as Error).message}; see --help`, { cause: error })
  }
}

const listOf = (text: string | undefined): string[] => text?.split(',').filter((name) => name !== '') ?? []

function numberOf(name: string, text: string | undefined, otherwise: number, least: number): number {
  if (text === undefined) return otherwise
  const number = Number(text)
  if (!(number >= least)) throw new BenchFailure(`--${name} ${text}: at least ${least}`)
  return number
}

function countsOf(text: string | undefined, otherwise: Counts): Counts {
  const counts = { ...otherwise }
  for (const part of listOf(text)) {
    const [name = '', count] = part.split('=')
    if (!(name in counts)) throw new BenchFailure(`--counts ${name}: ${Object.keys(counts).join(', ')}`)
    // Pages of 100 from the middle must be full.
    counts[name as keyof Counts] = numberOf(`counts ${name}`, count ?? '', 0, 200)
  }
  return counts
}

function modesOf(text: string): Mode[] {
  return listOf(text).map((name) => {
    const mode = MODES.find((one) => one === name)
    if (mode === undefined) throw new BenchFailure(`--modes ${name}: ${MODES.join(', ')}`)
    return mode
  })
}
