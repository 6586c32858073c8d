/** A shell on a machine that is thrown away: machine.sh makes it, shell.sh is what runs there. Linux, root. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterwards, temporaryFolder, type Ending } from '../../lib/temporary.ts'

const HERE = fileURLToPath(new URL('.', import.meta.url))
const REPOSITORY = fileURLToPath(new URL('../../../', import.meta.url)).replace(/\/$/, '')

export type Machine = {
  /** Types something and waits for its end. @throws with what it printed, when a command failed or it took too long */
  run(script: string, options?: RunOptions): Promise<string>
  /** Types what lasts, and waits until `isReady` says so of its output. @throws when it has not after 60 seconds */
  last(script: string, isReady: (output: string) => boolean): Promise<string>
  /** Ctrl-C for all that lasts. */
  interrupt(): Promise<void>
}

export type RunOptions = {
  /** The standard input. */
  input?: string
  /** Typed at a terminal instead: each answer when its question stands there. */
  answers?: readonly (readonly [question: string, answer: string])[] | undefined
  /** Milliseconds. */
  timeout?: number
}

/** Containers without cgroups, and podman in memory. */
const FILES: Record<string, string> = {
  'containers.conf': `[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
netns = "host"
log_driver = "k8s-file"
[engine]
runtime = "runc"
events_logger = "file"
cgroup_manager = "cgroupfs"
`,
  'policy.json': '{"default": [{"type": "insecureAcceptAnything"}]}\n',
  hosts: '127.0.0.1 localhost registry.example.com registry.example.org registry.example\n::1 localhost\n',
}

/** For `test({ skip })`: false when such machines can be had. */
export function noMachine(): string | false {
  if (process.platform !== 'linux') return 'SKIPPED: needs Linux'
  if (process.getuid?.() !== 0) return 'SKIPPED: needs root, for a network and mounts of its own'
  const { status } = spawnSync('unshare', ['-m', '-n', '-p', '--fork', 'true'], { stdio: 'ignore' })
  return status !== 0 && 'SKIPPED: namespaces are not permitted here'
}

/** @param image the folder of what `npm run image` makes, or empty */
export function startMachine(context: Ending, path: string, image: string): Machine {
  const base = temporaryFolder(context, 'documented')
  const io = join(base, 'io')
  mkdirSync(io)
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(io, name), text)
  writeFileSync(join(io, 'shell.sh'), readFileSync(join(HERE, 'shell.sh')))
  const command = ['bash', join(HERE, 'machine.sh'), base, REPOSITORY, path, image]
  const args = ['-m', '-n', '-p', '--fork', '--kill-child=SIGKILL', '--', ...command]
  const shell = spawn('unshare', args, { stdio: ['pipe', 'pipe', 'pipe'] })
  const ended = new Promise<void>((resolve) => shell.once('close', () => resolve()))
  afterwards(context, async () => {
    shell.kill('SIGKILL')
    await ended
  })
  let [said, complained] = ['', '']
  shell.stdin.on('error', () => undefined)
  shell.stdout.on('data', (piece: Buffer) => (said += piece.toString()))
  shell.stderr.on('data', (piece: Buffer) => (complained += piece.toString()))
  const read = (name: string): string => {
    const file = join(io, name)
    return existsSync(file) ? readFileSync(file, 'utf8') : ''
  }
  const until = async (what: string, isSo: () => boolean, seconds: number, name?: string): Promise<void> => {
    for (const end = Date.now() + seconds * 1000; !isSo(); await sleep(20)) {
      const isOver = shell.exitCode !== null || shell.signalCode !== null
      if (!isOver && Date.now() < end) continue
      const why = isOver ? 'the shell ended' : `not after ${seconds} s`
      throw new Error(
        `${what}: ${why}:\n${name ? read(name).slice(-6000) : ''}\n${complained}${read('shell.log')}`,
      )
    }
  }
  let count = 0
  const type = (verb: string, script: string, input: string): number => {
    count += 1
    writeFileSync(join(io, `${count}.sh`), script)
    writeFileSync(join(io, `${count}.in`), input)
    shell.stdin.write(`${verb} ${count}\n`)
    return count
  }
  return {
    async run(script, { input = '', answers, timeout = 60_000 } = {}) {
      const typed = answers?.map(([question, answer]) => `${question}\t${answer}\n`).join('')
      const one = type(typed === undefined ? 'run' : 'ask', script, typed ?? input)
      await until(script, () => said.includes(`done ${one}\n`), timeout / 1000, `${one}.out`)
      const output = read(`${one}.out`)
      const failed = read('failed')
      if (failed !== '') throw new Error(`${failed}${output.slice(-6000)}`)
      return output
    },
    async last(script, isReady) {
      const one = type('last', script, '')
      await until(script, () => isReady(read(`${one}.out`)), 60, `${one}.out`)
      return read(`${one}.out`)
    },
    async interrupt() {
      said = ''
      shell.stdin.write('interrupt\n')
      await until('Ctrl-C', () => said.includes('done interrupt\n'), 20)
    },
  }
}
