#!/usr/bin/env node
/** argv → command → exit code. */
// By its default: an older Node.js, which is told so below, ends at names that it does not export.
import nodeModule from 'node:module'
import { fileURLToPath } from 'node:url'
import type { Command, Io } from './cli/command.ts'

/** Loaded only when called: a start should not wait for what it does not use. */
const COMMANDS: Readonly<Record<string, { summary: string; load: () => Promise<Command> }>> = {
  serve: { summary: 'start the registry', load: async () => (await import('./cli/serve.ts')).command },
  backup: {
    summary: 'copy all data to a folder or a tar, or look after copies',
    load: async () => (await import('./cli/backup.ts')).command,
  },
  restore: {
    summary: 'make a data folder again from a backup',
    load: async () => (await import('./cli/restore.ts')).command,
  },
  rebuild: {
    summary: 'make a lost metadata database again',
    load: async () => (await import('./cli/rebuild.ts')).command,
  },
  check: {
    summary: 'compare what is stored with what the database says; repair it',
    load: async () => (await import('./cli/check.ts')).command,
  },
  gc: {
    summary: 'remove what nothing names any more, or show what would go',
    load: async () => (await import('./cli/gc.ts')).command,
  },
  'garbage-collect': {
    summary: 'the same in the words of CNCF Distribution, for cron',
    load: async () => (await import('./cli/garbage-collect.ts')).command,
  },
  access: {
    summary: 'show and set the rules of who may do what, or explain them',
    load: async () => (await import('./cli/access.ts')).command,
  },
  tag: {
    summary: 'show where a tag pointed and who moved it, or point it back',
    load: async () => (await import('./cli/tag.ts')).command,
  },
  trash: {
    summary: 'list what was deleted, restore it, or free its space now',
    load: async () => (await import('./cli/trash.ts')).command,
  },
  user: {
    summary: 'add, list, change or remove users of the registry',
    load: async () => (await import('./cli/user.ts')).command,
  },
  group: {
    summary: 'add, list or remove groups, and put users into them',
    load: async () => (await import('./cli/group.ts')).command,
  },
  robot: {
    summary: 'add, list, change or remove accounts of programs, and their secrets',
    load: async () => (await import('./cli/robot.ts')).command,
  },
  token: {
    summary: 'add, list or revoke personal tokens',
    load: async () => (await import('./cli/token.ts')).command,
  },
  audit: {
    summary: 'show who did what, and from where',
    load: async () => (await import('./cli/audit.ts')).command,
  },
  config: {
    summary: 'check a configuration, or show what holds',
    load: async () => (await import('./cli/config.ts')).command,
  },
  push: {
    summary: 'put an image from a folder or a tar into any registry',
    load: async () => (await import('./cli/push.ts')).command,
  },
  healthcheck: {
    summary: 'ask the registry on this machine whether it is well',
    load: async () => (await import('./cli/healthcheck.ts')).command,
  },
  'client-config': {
    summary: 'print what docker, containerd, podman, k3s, kaniko or BuildKit need to use a registry',
    load: async () => (await import('./cli/client-config.ts')).command,
  },
  import: {
    summary: 'tell what will be found in a folder of CNCF Distribution',
    load: async () => (await import('./cli/import.ts')).command,
  },
  export: {
    summary: 'write what CNCF Distribution needs to serve the same content',
    load: async () => (await import('./cli/export.ts')).command,
  },
}

const OLDEST_NODE = 24
const IS_TOO_OLD = Number(process.versions.node.split('.')[0]) < OLDEST_NODE

async function main(args: readonly string[], io: Io): Promise<number> {
  if (IS_TOO_OLD) {
    io.stderr.write(
      `berth needs Node.js ${OLDEST_NODE} or newer; this is ${process.versions.node}. In the repository, "npm start" brings its own.\n`,
    )
    return 1
  }
  const [name, ...rest] = args
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    io.stdout.write(usage())
    return name === undefined ? 2 : 0
  }
  if (name === '--version' || name === '-v' || name === 'version') {
    const { readVersion } = await import('./version.ts')
    io.stdout.write(`berth ${readVersion()}\n`)
    return 0
  }
  const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (entry === undefined) {
    io.stderr.write(`berth: there is no command ${JSON.stringify(name)}. See "berth --help".\n`)
    return 2
  }
  const command = await entry.load()
  if (name === 'serve') return call(command, rest, io)
  const { watchOutput } = await import('./cli/output.ts')
  const lost = watchOutput(name, io)
  const code = await call(command, rest, io)
  return lost() ?? code
}

async function call(command: Command, rest: readonly string[], io: Io): Promise<number> {
  if (rest.includes('--help') || rest.includes('-h')) {
    io.stdout.write(command.help)
    return 0
  }
  if (rest.includes('--version')) return main(['--version'], io)
  return command.run(rest, io)
}

function usage(): string {
  const lines = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(17)}${summary}`)
  return `Berth, a container registry.

Usage: berth COMMAND [ARGUMENTS]

Commands:
${lines.join('\n')}

"berth COMMAND --help" tells more. "berth --version" tells the version.
`
}

/**
 * Compiled code is kept from start to start, which halves the time a start takes. In the package's own folder: one in
 * the shared temporary folder could be prepared by another user. Where it cannot be written, nothing is kept.
 */
if (!IS_TOO_OLD)
  nodeModule.enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/berth/', import.meta.url)))
main(process.argv.slice(2), process).then(
  (code) => {
    process.exitCode = code
  },
  (error: unknown) => {
    process.stderr.write(
      `berth: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    )
    process.exitCode = 1
  },
)
