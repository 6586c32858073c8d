/** Programs that see some files more in /etc than the machine has, and a registry by a name that is not this machine's. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { clientPath, type Ran, type RunOptions, type Workplace } from '../clients/workplace.ts'
import { MAIN } from './push-place.ts'

export type OwnEtc = {
  /** The root of the files: they lie in `root/etc`. */
  root: string
  /** To be put before a command. */
  through: readonly string[]
  run: Workplace['run']
  /** `berth client-config`, its files put there. @returns what it prints */
  configure(args: string[]): Promise<string>
}

/** Linux, root. `registry.example` and `mirrored.example` are this machine. */
export function createOwnEtc(workplace: Workplace, name: string, newer = false): OwnEtc {
  const root = workplace.place(name)
  mkdirSync(join(root, 'etc'))
  writeFileSync(join(root, 'etc', 'hosts'), '127.0.0.1 localhost registry.example mirrored.example\n')
  const written = workplace.place(`${name}-written`)
  // The mounts are in a namespace of their own, and go with the program; what it writes goes with them.
  const script = [
    `mount -t tmpfs own-etc ${written}`,
    `mkdir ${written}/upper ${written}/work`,
    `mount -t overlay own-etc -o lowerdir=${root}/etc:/etc,upperdir=${written}/upper,workdir=${written}/work /etc`,
    'exec "$@"',
  ].join(' && ')
  const through = ['unshare', '-m', 'sh', '-c', script, 'sh']
  const [unshare = '', ...rest] = through
  const run = (program: string, args: string[], options: RunOptions = {}): Promise<Ran> =>
    workplace.run(unshare, [...rest, clientPath(program, newer) ?? program, ...args], options)
  const configure = async (args: string[]): Promise<string> => {
    const ran = await workplace.run(process.execPath, [MAIN, 'client-config', ...args, '--write', root])
    return ran.stdout
  }
  return { root, through, run, configure }
}

/** What is printed, as files: a block begins with its path, and may have notes. */
export function filesPrinted(text: string): { path: string; text: string }[] {
  return text
    .split(/^(?=# \/?[\w.-]+(?:\/\S+)?$)/m)
    .slice(1)
    .filter((block) => /^# \S*[/.]\S*\n/.test(block))
    .map((block) => {
      const [first = '', ...lines] = block.split('\n')
      const end = lines.findIndex((line) => /^# (?:then|where it asks)/.test(line))
      const own = (end < 0 ? lines : lines.slice(0, end)).filter((line) => !line.startsWith('# '))
      return { path: first.slice(2), text: `${own.join('\n').trim()}\n` }
    })
}
