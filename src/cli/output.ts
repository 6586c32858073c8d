/**
 * Whoever reads what a command says may leave (`berth trash list | head`), and the disk it goes to may be full. Either
 * ends the command as Ctrl-C does: it stops, and what it leaves is whole.
 */
import type { Io } from './command.ts'

/** As a shell tells it of a program that the system ended for this (128 and the number of SIGPIPE). */
const READER_LEFT = 141

/** @returns what asks for the exit code; undefined: all that was said has been taken */
export function watchOutput(command: string, { stdout, stderr }: Io): () => number | undefined {
  let code: number | undefined
  // Where nothing can be told there is nothing to do.
  stderr.on('error', () => undefined)
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (code !== undefined) return
    code = error.code === 'EPIPE' ? READER_LEFT : 1
    const why = error.code === 'ENOSPC' ? 'there is no room left' : error.message
    if (code === 1) stderr.write(`berth ${command}: what it says cannot be written: ${why}.\n`)
    // The last words may fail after the command has given its code.
    process.exitCode = code
    process.emit('SIGINT')
  })
  return () => code
}

/** Waits where the reader is slow: a list of a million must not pile up. Returns where there is no reader any more. */
export async function writeAll({ stdout }: Pick<Io, 'stdout'>, text: string): Promise<void> {
  if (stdout.write(text) || !stdout.writable) return
  await new Promise<void>((resolve) => {
    const go = (): void => {
      stdout.off('drain', go)
      stdout.off('close', go)
      resolve()
    }
    stdout.on('drain', go)
    stdout.on('close', go)
  })
}
