import { resolve } from 'node:path'
import { checkFolder, type CheckProgress, type FolderReport, hasLosses } from '../takeover/check-folder.ts'
import { findDataFolder } from '../takeover/find-data-folder.ts'
import { parseArguments } from './arguments.ts'
import type { Command, Io } from './command.ts'
import { folderReportText } from './import-report.ts'
import { createProgress } from './progress.ts'
import { bytesText, durationText } from './quantities.ts'

const help = `berth import --check: tells what "berth serve" will find in a folder of CNCF Distribution

Usage:
  berth import --check [--rehash] [--all] [--json] DIR

DIR is what Distribution has as rootdirectory (in its image /var/lib/registry, mounted from somewhere), or
docker/registry/v2 in it. Everything there is read and nothing is written; the registry may go on running.

  --rehash   also reads every blob and compares it with its digest (as long as reading the whole disk)
  --all      all that is wrong, instead of the first five of each kind
  --json     one JSON document

Exit code: 0 if all that Distribution serves will be served, 1 if something of it cannot be taken over (the list
says what and why) or DIR holds nothing of Distribution, 2 for wrong arguments.

Without --check there is nothing to do: "berth serve" takes a folder over in place when it is started on it.
`

const IN_PLACE = `berth import: nothing has to be imported. Stop Distribution and start "berth serve" with the same configuration, or with
REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=DIR: it serves what is there at once and copies no blob.
"berth import --check DIR" tells beforehand what it will find.
`

const EXAMPLES = 5

export const command: Command = {
  name: 'import',
  summary: 'tell what will be found in a folder of CNCF Distribution',
  help,
  async run(args, io) {
    const options = {
      check: { type: 'boolean' },
      rehash: { type: 'boolean' },
      all: { type: 'boolean' },
      json: { type: 'boolean' },
    } as const
    const parsed = parseArguments('import', args, options, 1, io)
    if (parsed === undefined) return 2
    const { check = false, rehash = false, all = false, json = false } = parsed.values
    if (!check) {
      io.stderr.write(IN_PLACE)
      return 2
    }
    const path = parsed.positionals[0]
    if (path === undefined) {
      io.stderr.write('berth import: which folder? See "berth import --help".\n')
      return 2
    }
    const found = findDataFolder(path)
    if (found.kind === 'none') {
      io.stderr.write(`berth import: ${found.why}\n`)
      return 1
    }
    if (found.folder !== resolve(path)) io.stderr.write(`The data folder is ${found.folder}\n`)
    const report = await checkWithProgress(io, found.folder, rehash, all)
    io.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : folderReportText(report))
    return hasLosses(report) ? 1 : 0
  },
}

async function checkWithProgress(
  io: Io,
  dataFolder: string,
  rehash: boolean,
  all: boolean,
): Promise<FolderReport> {
  const progress = createProgress(io)
  const onProgress = createProgressText((text) => progress.update(text))
  try {
    return await checkFolder({ dataFolder, rehash, examples: all ? Infinity : EXAMPLES, onProgress })
  } finally {
    progress.end()
  }
}

/** `reading: 1200 of 5000 repositories, 480 a second, 8 s left`. */
function createProgressText(update: (text: string) => void): (progress: CheckProgress) => void {
  let step: CheckProgress['step'] | undefined
  let begun = 0
  return (progress) => {
    if (progress.step !== step) begun = performance.now()
    step = progress.step
    const seconds = Math.max((performance.now() - begun) / 1000, 0.001)
    switch (progress.step) {
      case 'listing':
        return update(`listing: ${progress.repositories} repositories`)
      case 'reading': {
        const { done, all } = progress
        const rate = done / seconds
        const left = done === 0 ? '' : `, ${durationText((all - done) / rate)} left`
        return update(`reading: ${done} of ${all} repositories, ${Math.round(rate)} a second${left}`)
      }
      case 'files': {
        const { done, bytes } = progress
        const hashed =
          bytes === 0 ? '' : `, ${bytesText(bytes)} hashed, ${bytesText(bytes / seconds)} a second`
        return update(`blob files: ${done}${hashed}`)
      }
    }
  }
}
