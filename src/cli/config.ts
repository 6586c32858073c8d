import { type LoadedConfig, loadConfig } from '../config/load.ts'
import { ConfigError } from '../config/mistakes.ts'
import { showConfig } from '../config/show.ts'
import type { Command, Io } from './command.ts'

const help = `berth config: reads a configuration without starting the registry

Usage:
  berth config check [FILE]   says "ok", or every mistake and exits with 1
  berth config show [FILE]    prints what holds, with the source of each value; secrets are hidden

FILE is a configuration file as CNCF Distribution's. Without it, REGISTRY_CONFIGURATION_PATH names
the file; without that there is none, and the defaults hold. REGISTRY_* variables count in every case.
`

export const command: Command = {
  name: 'config',
  summary: 'check a configuration, or show what holds',
  help,
  async run(args, io) {
    if (args.includes('--help') || args.includes('-h')) {
      io.stdout.write(help)
      return 0
    }
    const [verb, path, ...more] = args
    const wrong = more[0] ?? [verb, path].find((argument) => argument?.startsWith('-'))
    if ((verb !== 'check' && verb !== 'show') || wrong !== undefined) {
      const what = verb === undefined ? 'what to do is missing' : `what is "${wrong ?? verb}"?`
      io.stderr.write(`berth config: ${what}\n\n${help}`)
      return 2
    }
    return verb === 'check' ? check(path, io) : show(path, io)
  },
}

function check(path: string | undefined, io: Io): number {
  const loaded = load(path, io)
  if (loaded === undefined) return 1
  io.stdout.write(`ok: ${loaded.file ?? 'no file, defaults'}\n`)
  for (const note of loaded.notes) io.stdout.write(`note: ${note}\n`)
  for (const warning of loaded.warnings) io.stdout.write(`warning: ${warning}\n`)
  return 0
}

function show(path: string | undefined, io: Io): number {
  const loaded = load(path, io)
  if (loaded === undefined) return 1
  for (const warning of loaded.warnings) io.stderr.write(`warning: ${warning}\n`)
  io.stdout.write(showConfig(loaded))
  return 0
}

function load(path: string | undefined, { env, stderr }: Io): LoadedConfig | undefined {
  try {
    return loadConfig({ path, env })
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const count = error.mistakes.length
    stderr.write(`${error.message}\n${count === 1 ? '1 mistake' : `${count} mistakes`}\n`)
    return undefined
  }
}
