/** What a command says where it does not do what it was asked, and the exit code of that. */
import type { Io } from './command.ts'

/**
 * Wrong arguments.
 * @param command as it is typed after `berth`, with its verb: `trash list`
 */
export function refuseUse({ stderr }: Pick<Io, 'stderr'>, command: string, why: string): 2 {
  const [name] = command.split(' ')
  const end = why.endsWith('?') ? '' : '.'
  stderr.write(`berth ${command}: ${why}${end} See "berth ${name} --help".\n`)
  return 2
}

/** Arguments that are right, and cannot be followed. */
export function refuse({ stderr }: Pick<Io, 'stderr'>, command: string, why: string): 1 {
  stderr.write(`berth ${command}: ${why}.\n`)
  return 1
}

type Verb = (args: readonly string[], io: Io) => Promise<number>

/** Runs the verb that the first argument names. @returns its exit code */
export async function runVerb(
  command: string,
  verbs: Readonly<Record<string, Verb>>,
  [name, ...rest]: readonly string[],
  io: Io,
): Promise<number> {
  const verb = name !== undefined && Object.hasOwn(verbs, name) ? verbs[name] : undefined
  if (verb !== undefined) return verb(rest, io)
  const names = Object.keys(verbs)
  const all = `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`
  return refuseUse(
    io,
    command,
    name === undefined ? `say ${all}` : `what is ${JSON.stringify(name)}? Say ${all}`,
  )
}
