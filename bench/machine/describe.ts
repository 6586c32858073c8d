/** What the figures depend on besides the programs. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, release, totalmem, type } from 'node:os'

export type Machine = {
  kernel: string
  processors: string
  memoryGiB: number
  /** Of the folder that the data lies in. */
  filesystem: string
  node: string
}

export function describeMachine(folder: string): Machine {
  const all = cpus()
  return {
    kernel: `${type()} ${release()}`,
    processors: `${all.length} x ${all[0]?.model ?? 'unknown'}`,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    filesystem:
      execFileSync('df', ['--output=fstype', folder]).toString().trim().split('\n').at(-1) ?? 'unknown',
    node: process.version,
  }
}

export type Times = { total: number; idle: number; steal: number }

/** All processors' time since the start of the machine, in ticks (proc_stat(5)). */
export function readTimes(): Times {
  const numbers = (readFileSync('/proc/stat', 'utf8').split('\n')[0] as string)
    .split(/\s+/)
    .slice(1)
    .map(Number)
  const total = numbers.slice(0, 8).reduce((sum, one) => sum + one, 0)
  return { total, idle: (numbers[3] ?? 0) + (numbers[4] ?? 0), steal: numbers[7] ?? 0 }
}

/** The share of the time that the hypervisor gave to others, in percent. */
export function stealPercent(since: Times): number {
  const now = readTimes()
  return now.total === since.total ? 0 : (100 * (now.steal - since.steal)) / (now.total - since.total)
}

/** The share of processor time that is in use by others at the moment, in percent: a machine should be idle. */
export async function busyPercent(): Promise<number> {
  const before = readTimes()
  await new Promise((resolve) => setTimeout(resolve, 500))
  const now = readTimes()
  return 100 * (1 - (now.idle - before.idle) / Math.max(1, now.total - before.total))
}
