/** What the words after the image's name mean: those of CNCF Distribution's images, of both kinds. */

/** How the program is called, by itself or by its path; also the script that begins in the image of Distribution 2. */
const PROGRAM = /^(?:.*\/)?(?:registry|berth|entrypoint\.sh)$/
const CONFIGURATION = /\.ya?ml$/

/** Where the image has its configuration file. */
export const STOCK_CONFIGURATION = '/etc/distribution/config.yml'

/**
 * The program's own name may stand first (`docker run IMAGE registry serve …`), and a configuration file by itself is
 * served (`docker run IMAGE /etc/docker/registry/config.yml`), as the script of Distribution 2 has it.
 */
export function programArguments(args: readonly string[]): string[] {
  const [first = ''] = args
  const rest = PROGRAM.test(first) ? args.slice(1) : args
  return CONFIGURATION.test(rest[0] ?? '') ? ['serve', ...rest] : [...rest]
}

/**
 * The file that a registry serves by, of its command line as `/proc/PID/cmdline` has it. So that what is run beside it,
 * e.g. `docker exec CONTAINER berth gc`, means the same registry.
 */
export function servedConfiguration(commandLine: string): string | undefined {
  const words = commandLine.split('\0')
  const at = words.findIndex((word) => PROGRAM.test(word))
  if (at < 0) return undefined
  const [command, file] = programArguments(words.slice(at + 1).filter((word) => word !== ''))
  return command === 'serve' && file !== undefined && !file.startsWith('-') ? file : undefined
}
