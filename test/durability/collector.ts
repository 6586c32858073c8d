/** Commands that collect, one after another without a pause, as somebody impatient would give them. */
import type { ChildProcess } from 'node:child_process'
import type { Clocked } from './clocked.ts'

export type Collected = { manifests: number; links: number; blobs: number; bytes: number }
export type Collector = {
  runs: () => number
  collected: Collected
  freed: { files: number; bytes: number }
  /** Commands that ended badly, other than by {@link kill}. */
  problems: string[]
  /** kill -9 of the command that runs now. */
  kill(): void
  stop(): Promise<void>
}

export type GcReport = {
  plan?: number
  planned?: Collected
  removed?: Collected
  freed?: { files: number; bytes: number }
  skipped?: { count: number; gone: number }
}

const TURNS = [
  ['--now'],
  [],
  ['--now', '--empty-trash'],
  ['--dry-run'],
  ['--dry-run', '--empty-trash'],
] as const

export function startCollector(clocked: Clocked): Collector {
  const collected: Collected = { manifests: 0, links: 0, blobs: 0, bytes: 0 }
  const freed = { files: 0, bytes: 0 }
  const problems: string[] = []
  let child: ChildProcess | undefined
  let isKilled = false
  let stopping = false
  let runs = 0

  async function gc(...args: string[]): Promise<GcReport | undefined> {
    const begun = clocked.begin('gc', '--json', ...args)
    child = begun.child
    isKilled = false
    const { code, stdout, stderr } = await begun.ended
    child = undefined
    runs++
    if (isKilled) return undefined
    if (code !== 0 || stderr !== '') problems.push(`berth gc ${args.join(' ')} ended with ${code}: ${stderr}`)
    if (code !== 0) return undefined
    const report = JSON.parse(stdout) as GcReport
    add(collected, report.removed)
    add(freed, report.freed)
    return report
  }

  async function run(): Promise<void> {
    for (let turn = 0; !stopping; turn++) {
      const report = await gc(...(TURNS[turn % TURNS.length] ?? []))
      if (report?.plan !== undefined && report.removed === undefined && !stopping)
        await gc('--plan', String(report.plan))
    }
  }
  const running = run()
  return {
    ...{ collected, freed, problems },
    runs: () => runs,
    kill() {
      if (child === undefined) return
      isKilled = true
      child.kill('SIGKILL')
    },
    async stop() {
      stopping = true
      await running
    },
  }
}

function add<T extends Record<string, number>>(sums: T, more: T | undefined): void {
  for (const [name, count] of Object.entries(more ?? {})) (sums as Record<string, number>)[name]! += count
}

/** Where a registry's metrics are, as its log says when it begins. */
export function metricsOf(log: string): string {
  const url = /debug port: [^"]* on (http:[^\s"]+)/.exec(log)?.[1]
  if (url === undefined) throw new Error(`no debug port in the log:\n${log}`)
  return `${url}/metrics`
}

/** What a registry's own collector has removed so far. */
export async function collectedBy(metrics: string): Promise<Collected> {
  const text = await (await fetch(metrics)).text()
  const total = (name: string): number => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? NaN)
  return {
    manifests: total('berth_collected_manifests_total'),
    links: total('berth_collected_links_total'),
    blobs: total('berth_collected_blobs_total'),
    bytes: total('berth_freed_bytes_total'),
  }
}
