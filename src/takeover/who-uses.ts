/** Which other processes use a data folder, as far as Linux tells this user; elsewhere nobody is found. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { basename, sep } from 'node:path'

export type FolderUser = {
  pid: number
  /** Its command line, shortened. */
  command: string
  how: 'has files of it open' | 'names it on its command line' | 'is a registry that can reach it'
}

const DISTRIBUTION_NAMES: ReadonlySet<string> = new Set(['registry', 'docker-registry'])
const MOST_FILES = 4096
const LONGEST = 200

/** A best effort that never fails: a process of another user, or in a place we cannot look into, is missed. */
export function findFolderUsers(folder: string): FolderUser[] {
  const ours = ancestors()
  return names('/proc')
    .filter((name) => /^\d+$/.test(name) && !ours.has(name))
    .flatMap((name) => {
      const args = (text(`/proc/${name}/cmdline`) ?? '').split('\0').filter((arg) => arg !== '')
      const how = howUsed(folder, `/proc/${name}`, args)
      return how === undefined ? [] : [{ pid: Number(name), command: args.join(' ').slice(0, LONGEST), how }]
    })
}

/** This process and those that started it: a shell or sudo names the folder because we do. */
function ancestors(): Set<string> {
  const known = new Set<string>()
  let pid: string | undefined = String(process.pid)
  while (pid !== undefined && !known.has(pid)) {
    known.add(pid)
    pid = /^PPid:\s*(\d+)$/m.exec(text(`/proc/${pid}/status`) ?? '')?.[1]
  }
  return known
}

function howUsed(folder: string, proc: string, args: readonly string[]): FolderUser['how'] | undefined {
  if (args.length === 0) return undefined
  const open = names(`${proc}/fd`).slice(0, MOST_FILES)
  if (open.some((file) => isIn(folder, target(`${proc}/fd/${file}`)))) return 'has files of it open'
  if (args.some((arg) => isIn(folder, arg.slice(arg.indexOf('=') + 1)))) return 'names it on its command line'
  if (!DISTRIBUTION_NAMES.has(basename(args[0] ?? ''))) return undefined
  return isReached(folder, proc, args) ? 'is a registry that can reach it' : undefined
}

/** Distribution opens its files for moments only: its configuration, or what its container was given, tell more. */
function isReached(folder: string, proc: string, args: readonly string[]): boolean {
  const mounts = (text(`${proc}/mountinfo`) ?? '').split('\n').map((line) => line.split(' ')[3] ?? '')
  if (mounts.some((root) => root.length > 1 && isIn(root, folder))) return true
  const file = args.find((arg) => /\.ya?ml$/.test(arg))
  const cwd = file?.startsWith('/') ? `${proc}/root` : `${proc}/cwd`
  const said = `${file === undefined ? '' : (text(`${cwd}/${file}`) ?? '')}\n${text(`${proc}/environ`) ?? ''}`
  return said.includes(folder)
}

function isIn(folder: string, path: string): boolean {
  return path === folder || path.startsWith(folder + sep)
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function text(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

function target(link: string): string {
  try {
    return readlinkSync(link)
  } catch {
    return ''
  }
}
