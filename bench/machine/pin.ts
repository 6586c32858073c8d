/** Binding of programs to processors, by taskset. */
import { execFileSync } from 'node:child_process'
import { BenchFailure } from '../failure.ts'

/**
 * `unpinned`: both sides may use all processors. `pinned`: the server has the last one, the client the first. `shared`:
 * both have the last one; nobody is woken up on another processor, so what is compared is work alone.
 */
export const MODES = ['unpinned', 'pinned', 'shared'] as const
export type Mode = (typeof MODES)[number]

export function commandOn(cpu: number | undefined, command: string, args: string[]): [string, string[]] {
  return cpu === undefined ? [command, args] : ['taskset', ['-c', String(cpu), command, ...args]]
}

export function bindProcess(pid: number, mode: Mode, processors: number): void {
  bindTo(pid, mode === 'unpinned' ? `0-${processors - 1}` : String(processors - 1))
}

/** Undefined: all of them. */
export function processorOfClient(mode: Mode, processors: number): number | undefined {
  return { unpinned: undefined, pinned: 0, shared: processors - 1 }[mode]
}

/**
 * Binds a process with all its threads; threads that it starts later follow.
 * @param cpus as taskset takes them: `0`, `0-3`
 */
export function bindTo(pid: number, cpus: string): void {
  try {
    execFileSync('taskset', ['-a', '-c', '-p', cpus, String(pid)], { stdio: 'pipe' })
  } catch (error) {
    throw new BenchFailure(`cannot bind process ${pid} to processor ${cpus}`, { cause: error })
  }
}
