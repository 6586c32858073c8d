/** What access control costs a request, and what a burst of sign-ins costs others: `node bench/access.ts --help`. */
import { Agent, request } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { bcrypt } from 'hash-wasm'
import { randomBytesOf } from '../test/lib/content.ts'
import { ADMINISTRATOR, basicOf, PATH, startSide, tokenOf, writeHtpasswd } from './access/sides.ts'
import { BenchFailure } from './failure.ts'
import { inFolder } from './in-folder.ts'
import { cpuSeconds } from './machine/cpu.ts'
import { bindTo } from './machine/pin.ts'
import type { Running } from './peers/running.ts'
import { short } from './report/report.ts'
import { median } from './results.ts'
import type { Asked } from './tools/figures.ts'
import { prepareTools } from './tools/tools.ts'
import { runWrk } from './tools/wrk.ts'

const HELP = `Usage: node bench/access.ts [OPTIONS]

Pulls one manifest again and again: from an open registry, with a token where there are 10 rules and 10 robots, where
there are 10,000 rules and 100,000 robots, and with a password. Then 1,000 sign-ins of 20 people at once, beside somebody
who pulls with a token. Server and client share a processor: on two, a client that sleeps while the server works costs the
server a wake-up of another processor with each answer, more of them the slower it answers, which is no cost of access.
Linux only; needs wrk, taskset and a C compiler.

  --rounds N      default 5; the order is turned round each time
  --seconds N     of each measurement, default 4
  --rules N       default 10000
  --robots N      default 100000
  --gate          exit code 1 where a token costs more than 10 % of an open request, where many rules cost more than 5 %
                  beside few, or where the others' 99th percentile is above 50 ms in the burst
`

const MOST_TOKEN = 1.1
const MOST_MANY = 1.05
const MOST_BURST_MS = 50
const CONNECTIONS = 16
const PROCESSOR = 0
const PEOPLE = 20
const SIGN_INS = 1000

type Row = { name: string; side: Running; authorization: () => Promise<string | undefined> }

async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '4' },
      rules: { type: 'string', default: '10000' },
      robots: { type: 'string', default: '100000' },
      gate: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  const many = { rules: Number(values.rules), robots: Number(values.robots) }
  return inFolder('access', async (folder) => {
    const sides: Running[] = []
    try {
      sides.push(await startSide(folder, 'open', undefined))
      sides.push(await startSide(folder, 'few', { rules: 10, robots: 10 }))
      sides.push(await startSide(folder, 'many', many))
      const isCheap = await compare(folder, sides, Number(values.rounds), Number(values.seconds))
      const isCalm = await burst(folder)
      return values.gate && !(isCheap && isCalm) ? 1 : 0
    } finally {
      for (const side of sides) await side.stop()
    }
  })
}

/** CPU of each row's server per request, in the mean of the rounds; and each to the open one. */
async function compare(
  folder: string,
  sides: readonly Running[],
  rounds: number,
  seconds: number,
): Promise<boolean> {
  const [open, few, many] = sides as [Running, Running, Running]
  const administrator = basicOf(ADMINISTRATOR)
  const rows: Row[] = [
    { name: 'open', side: open, authorization: async () => undefined },
    { name: 'token, few rules', side: few, authorization: () => tokenOf(few, administrator) },
    { name: 'token, many rules', side: many, authorization: () => tokenOf(many, administrator) },
    { name: 'password', side: many, authorization: async () => administrator },
  ]
  const { wrk } = prepareTools(folder)
  if (wrk === undefined) throw new BenchFailure('wrk is needed; on Debian: apt-get install wrk')
  for (const { pid } of sides) bindTo(pid, String(PROCESSOR))
  const costs = new Map<string, number[]>(rows.map(({ name }) => [name, []]))
  for (let round = 0; round <= rounds; round += 1) {
    for (const row of round % 2 === 0 ? rows : rows.toReversed()) {
      const authorization = await row.authorization()
      const header = authorization === undefined ? undefined : `Authorization: ${authorization}`
      const asked = { method: 'GET', path: PATH, status: 200, ...(header && { header }) } as Asked
      const before = cpuSeconds(row.side.pid)
      const work = { asked, connections: CONNECTIONS, seconds, cpu: PROCESSOR }
      const { units } = await runWrk(wrk, row.side.server, work)
      const cost = ((cpuSeconds(row.side.pid) - before) * 1e6) / units
      // The first round warms up.
      if (round > 0) costs.get(row.name)?.push(cost)
    }
    process.stdout.write(round === 0 ? 'warm\n' : `round ${round} of ${rounds}\n`)
  }
  return report(costs)
}

function report(costs: ReadonlyMap<string, readonly number[]>): boolean {
  const of = (name: string): number => median(costs.get(name) ?? [])
  process.stdout.write(
    '\n| GET of a manifest | CPU, µs | to open | all rounds |\n| --- | --- | --- | --- |\n',
  )
  for (const [name, values] of costs) {
    const ratio = (of(name) / of('open')).toFixed(2)
    process.stdout.write(`| ${name} | ${short(of(name))} | ${ratio}x | ${values.map(short).join(' ')} |\n`)
  }
  const token = of('token, few rules') / of('open')
  return token <= MOST_TOKEN && of('token, many rules') / of('token, few rules') <= MOST_MANY
}

/** A registry that has verified nobody yet, and twenty people who all come at once, again and again. */
async function burst(folder: string): Promise<boolean> {
  const people = Array.from({ length: PEOPLE }, (_, index) => ({
    name: `p${index}`,
    password: `secret ${index}`,
  }))
  const lines = await Promise.all(
    people.map(async ({ name, password }) => {
      const salt = randomBytesOf(name, 16)
      return `${name}:${await bcrypt({ password, salt, costFactor: 10, outputType: 'encoded' })}`
    }),
  )
  const htpasswd = { realm: 'the benchmark', path: writeHtpasswd(folder, lines) }
  const side = await startSide(folder, 'burst', { rules: 10, robots: 0 }, { auth: { htpasswd } })
  // Those who sign in must not stand in line before the one who is timed.
  const [agent, crowd] = [new Agent({ keepAlive: true }), new Agent({ keepAlive: true, maxSockets: 200 })]
  try {
    const authorization = await tokenOf(side, basicOf(ADMINISTRATOR))
    const probe = (): Promise<number> => time(agent, `${side.url}${PATH}`, authorization)
    for (let count = 0; count < 200; count += 1) await probe()
    const quiet = await probeFor(probe, wait(2000))
    const began = performance.now()
    const signIns = Promise.all(
      Array.from({ length: SIGN_INS }, (_, index) =>
        time(crowd, `${side.url}/v2/`, basicOf(people[index % PEOPLE] as (typeof people)[0])),
      ),
    )
    const beside = await probeFor(probe, signIns)
    const seconds = (performance.now() - began) / 1000
    process.stdout.write(
      `\n${SIGN_INS} sign-ins of ${PEOPLE} people: ${short(seconds)} s; others wait p50/p99 ${quiet.map(short).join('/')} ms ` +
        `before, ${beside.map(short).join('/')} ms beside\n`,
    )
    return (beside[1] as number) <= MOST_BURST_MS
  } finally {
    for (const one of [agent, crowd]) one.destroy()
    await side.stop()
  }
}

/** A probe each 5 ms until the work is done: p50 and p99. */
async function probeFor(probe: () => Promise<number>, work: Promise<unknown>): Promise<number[]> {
  const times: Promise<number>[] = []
  let isDone = false
  const done = work.finally(() => (isDone = true))
  while (!isDone || times.length < 50) {
    times.push(probe())
    await wait(5)
  }
  await done
  const sorted = (await Promise.all(times)).toSorted((a, b) => a - b)
  return [0.5, 0.99].map((part) => sorted[Math.floor(sorted.length * part)] as number)
}

/** Milliseconds of one GET. */
function time(agent: Agent, url: string, authorization: string): Promise<number> {
  const began = performance.now()
  return new Promise((resolve, reject) => {
    request(url, { agent, headers: { authorization } }, (response) => {
      response.resume()
      response.once('end', () => {
        if (response.statusCode === 200) resolve(performance.now() - began)
        else reject(new BenchFailure(`GET ${url} was answered ${response.statusCode}`))
      })
    })
      .once('error', reject)
      .end()
  })
}

process.exitCode = await main(process.argv.slice(2))
