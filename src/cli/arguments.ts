/** Arguments of a command: options by name, the rest by position; mistakes are told with the command's help. */
import { parseArgs, type ParseArgsConfig } from 'node:util'
import type { Io } from './command.ts'
import { refuseUse } from './refusal.ts'

type Options = NonNullable<ParseArgsConfig['options']>
/** Every command on data takes it. */
export const CONFIG_OPTION = { config: { type: 'string', short: 'c' } } as const satisfies Options

/** Said in each such command's help. */
export const CONFIG_HELP = `  -c, --config FILE   the registry's configuration file. Without it, REGISTRY_CONFIGURATION_PATH names the file;
                      without that there is none, and the data are in ./data. REGISTRY_* variables count as well.
`

export type Parsed<T extends Options> = ReturnType<
  typeof parseArgs<{ options: T; allowPositionals: true; strict: true }>
>

/**
 * @param most how many positional arguments there may be
 * @returns undefined: something is wrong, and it was said; the command ends with 2
 */
export function parseArguments<const T extends Options>(
  command: string,
  args: readonly string[],
  options: T,
  most: number,
  io: Io,
): Parsed<T> | undefined {
  const refuse = (what: string): undefined => {
    refuseUse(io, command, what)
    return undefined
  }
  try {
    const parsed = parseArgs({ args: [...args], options, allowPositionals: true, strict: true })
    const extra = parsed.positionals[most]
    return extra === undefined ? parsed : refuse(`what is ${JSON.stringify(extra)}?`)
  } catch (error) {
    const { code, message } = error as Error & { code?: string }
    if (code?.startsWith('ERR_PARSE_ARGS') !== true) throw error
    // Node's second sentence tells how to quote; the first one says what is wrong.
    return refuse((message.split('. ')[0] as string).replace(/\.$/, ''))
  }
}
