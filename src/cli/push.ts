/** `berth push`: an image layout into a registry. */
import { readVersion } from '../version.ts'
import { connect } from '../upstream/connection.ts'
import { addressText } from '../upstream/address.ts'
import { chooseImage } from '../upstream/layout/choose.ts'
import { collectContent } from '../upstream/layout/collect.ts'
import { openLayout } from '../upstream/layout/open-layout.ts'
import { createChunkLimit } from '../upstream/push/chunk-limit.ts'
import { pushContent } from '../upstream/push/push-content.ts'
import { createUnfinishedUploads } from '../upstream/push/unfinished.ts'
import { untilInterrupted } from './backup-failures.ts'
import type { Command, Io } from './command.ts'
import { PUSH_HELP, type PushArguments, readPushArguments } from './push-arguments.ts'
import { credentialsFor, stateFolder } from './push-credentials.ts'
import { tellingPushFailures } from './push-failures.ts'
import { createPushReport } from './push-report.ts'
import { bytesText } from './quantities.ts'

export const command: Command = {
  name: 'push',
  summary: 'put an image from a folder or a tar into any registry',
  help: PUSH_HELP,
  async run(args, io) {
    const given = readPushArguments(args, io)
    if (given === undefined) return 2
    return tellingPushFailures(io, () => untilInterrupted((signal) => push(given, io, signal)))
  },
}

async function push(given: PushArguments, io: Io, signal: AbortSignal): Promise<number> {
  const { source, address, transport, tlsVerify, ca, jobs } = given
  // First what costs nothing: no registry is asked for a layout that is not whole.
  const layout = await openLayout(source.path)
  const root = chooseImage(layout, source)
  if (address.digest !== undefined && address.digest !== root.digest)
    return refused(
      io,
      `${source.path} has ${root.digest}, and not the ${address.digest} that is to be pushed`,
    )
  const content = collectContent(layout, root)
  const credentials = await credentialsFor(given, io)
  const report = createPushReport(content, io, given.isQuiet)
  const connection = await connect(address.host, {
    transport,
    trustsAll: !tlsVerify,
    ca,
    credentials,
    userAgent: `berth/${readVersion()}`,
    // One for each blob, and one to spare for questions in between.
    connections: jobs + 1,
    env: io.env,
    signal,
    onWait: ({ why, ms }) => report.watch.waits(why, ms),
  })
  try {
    await pushContent({
      content,
      connection,
      repository: address.repository,
      mountFrom: given.mountFrom,
      tag: address.tag,
      jobs,
      chunks: createChunkLimit(given.chunkSize, (limit) =>
        report.say(
          `${address.host}, or a proxy before it, does not take requests that large: going on in pieces of ${bytesText(limit)}`,
        ),
      ),
      unfinished: createUnfinishedUploads(stateFolder(io.env), connection.origin.origin, address.repository),
      signal,
      watch: report.watch,
    })
  } finally {
    report.end()
    connection.close()
  }
  report.summary()
  io.stdout.write(`${addressText(address, root.digest)}\n`)
  return 0
}

function refused({ stderr }: Io, why: string): 1 {
  stderr.write(`berth push: ${why}.\n`)
  return 1
}
