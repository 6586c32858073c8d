/** `npm run image`: the image of Berth, from the repository alone. `npm run image -- --help` tells the options. */
import { fileURLToPath } from 'node:url'
import { buildImages } from './build.ts'
import { help, parseOptions } from './options.ts'
import { reportOf } from './report.ts'
import { BuildError } from './run.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args)
  if (options === undefined) {
    process.stdout.write(help)
    return 0
  }
  const began = performance.now()
  const seconds = (): string => ((performance.now() - began) / 1000).toFixed(1)
  const say = (text: string): void => {
    if (!options.isQuiet) process.stderr.write(`${seconds().padStart(5)} s  ${text}\n`)
  }
  const built = await buildImages(ROOT, options, say)
  say('done')
  process.stdout.write(`\n${reportOf(built)}`)
  return 0
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code
  },
  (error: unknown) => {
    const text =
      error instanceof BuildError ? error.message : error instanceof Error ? error.stack : String(error)
    process.stderr.write(`npm run image: ${text}\n`)
    process.exitCode = 1
  },
)
