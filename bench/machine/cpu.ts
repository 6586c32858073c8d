/** Processor time and memory of a process and its children, as Linux counts them. */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

let ticks: number | undefined

function ticksPerSecond(): number {
  ticks ??= Number(execFileSync('getconf', ['CLK_TCK']).toString())
  return ticks
}

type Stat = { parent: number; used: number }

/** proc_pid_stat(5): the name may hold blanks and parentheses, so fields are counted from its end. */
function readStat(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    // utime, stime, and those of children that have ended: fields 14 to 17 of the manual, 11 to 14 here.
    const used = [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index]), 0)
    return { parent: Number(fields[1]), used }
  } catch {
    return undefined
  }
}

/** The process and all that descend from it. */
function processTree(root: number): number[] {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    const stat = Number.isInteger(pid) ? readStat(pid) : undefined
    if (stat === undefined) continue
    const siblings = children.get(stat.parent)
    if (siblings === undefined) children.set(stat.parent, [pid])
    else siblings.push(pid)
  }
  const tree = [root]
  for (const pid of tree) tree.push(...(children.get(pid) ?? []))
  return tree
}

/** Seconds of processor time of a process, its threads and its children. In steps of 10 ms. */
export function cpuSeconds(root: number): number {
  return processTree(root).reduce((sum, pid) => sum + (readStat(pid)?.used ?? 0), 0) / ticksPerSecond()
}

/** Nanoseconds of processor time of all threads of a process that are there, exactly. For what lasts less than a tick. */
export function threadNanoseconds(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`).map((thread) => {
    try {
      return Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0])
    } catch {
      return 0
    }
  })
  return threads.reduce((sum, one) => sum + one, 0)
}

/** MiB of resident memory, shared pages counted by their share (PSS). */
export function residentMebibytes(root: number): number {
  const kibibytes = processTree(root).map((pid) => {
    try {
      return Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0)
    } catch {
      return 0
    }
  })
  return kibibytes.reduce((sum, one) => sum + one, 0) / 1024
}

/** Looks at a program's processor time until told to stop; then says the last it saw, in seconds. */
export function watchCpu(pid: number): () => number {
  let used = 0
  const look = (): void => {
    used = Math.max(used, (readStat(pid)?.used ?? 0) / ticksPerSecond())
  }
  const timer = setInterval(look, 50)
  return () => {
    clearInterval(timer)
    return used
  }
}

/**
 * The largest resident memory that was seen until told to stop, in MiB.
 * @param pid may change, and throws while there is no process
 */
export function watchMemory(pid: () => number): () => number {
  let peak = 0
  const look = (): void => {
    try {
      peak = Math.max(peak, residentMebibytes(pid()))
    } catch {
      // What is to be said about a process that has ended, others say.
    }
  }
  const timer = setInterval(look, 500)
  return () => {
    clearInterval(timer)
    look()
    return peak
  }
}
