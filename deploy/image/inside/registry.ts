/** Where the image begins: `registry`, `berth` and `/entrypoint.sh` are links to it. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { programArguments, servedConfiguration, STOCK_CONFIGURATION } from './arguments.ts'
import { load } from './load.ts'

process.argv.splice(2, process.argv.length, ...programArguments(process.argv.slice(2)))
process.env['REGISTRY_CONFIGURATION_PATH'] ||= configurationPath()
// What is compiled is in the image; the root may be read-only.
process.env['NODE_DISABLE_COMPILE_CACHE'] = '1'
load(dirname(__filename), 'main')

/** Used where the command line names no file. */
function configurationPath(): string {
  const first = '/proc/1/cmdline'
  const isFirst = process.pid === 1 || !existsSync(first)
  return (isFirst ? undefined : servedConfiguration(readFileSync(first, 'utf8'))) ?? STOCK_CONFIGURATION
}
