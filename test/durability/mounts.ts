/** File systems to be cut off or filled up: images on loop devices, and tmpfs. Linux, root. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, ftruncateSync, mkdirSync, openSync, statfsSync, writeSync } from 'node:fs'

export type ImageKind = 'ext4' | 'xfs'

const run = (program: string, ...args: string[]): void => {
  execFileSync(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
}

/** A file with a fresh file system in it. xfs wants 300 MiB at least. */
export function makeImage(path: string, kind: ImageKind, mebibytes: number): void {
  const file = openSync(path, 'wx')
  ftruncateSync(file, mebibytes * 1024 * 1024)
  closeSync(file)
  if (kind === 'ext4') run('mkfs.ext4', '-q', '-m', '0', path)
  else run('mkfs.xfs', '-q', path)
}

export function mountImage(path: string, folder: string): void {
  mkdirSync(folder, { recursive: true })
  run('mount', '-o', 'loop', path, folder)
}

export function mountTmpfs(folder: string, mebibytes: number): void {
  mkdirSync(folder, { recursive: true })
  run('mount', '-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', folder)
}

/** Of a server that was just killed the last file may still be open for a moment. */
export async function unmount(folder: string): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return run('umount', folder)
    } catch (error) {
      if (attempt === 50) throw error
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}

/** Copies holes as holes. */
export const copyImage = (from: string, to: string): void => run('cp', '--sparse=always', from, to)

/** The power, to be cut at once when asked. */
export async function createPowerSwitch(folder: string): Promise<{ cut(): Promise<void> }> {
  const script = new URL('shutdown.py', import.meta.url).pathname
  const child = spawn('python3', [script, folder], { stdio: ['pipe', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  return {
    cut: async () => {
      const ended = once(child, 'exit') as Promise<[number]>
      child.stdin.end('now\n')
      const [code] = await ended
      if (code !== 0) throw new Error(`the power cut failed: exit code ${code}`)
    },
  }
}

/** Bytes that files can still take. */
function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize
}

/** A file that takes all room but `leave` bytes, to the last block when `leave` is 0. */
export function fillUp(folder: string, name: string, leave: number): void {
  const file = openSync(`${folder}/${name}`, 'a')
  try {
    for (const size of [1024 * 1024, 64 * 1024, 4096, 512, 1]) writeUntilFull(file, size, folder, leave)
  } finally {
    closeSync(file)
  }
}

function writeUntilFull(file: number, size: number, folder: string, leave: number): void {
  const piece = Buffer.alloc(size, 1)
  try {
    while (freeBytes(folder) >= leave + size || (leave === 0 && size <= 512)) writeSync(file, piece)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
  }
}
