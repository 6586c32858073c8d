/** What `berth push` says of what it cannot do. */
import { RegistryError } from '../oci/error.ts'
import { CredentialsError } from '../upstream/credentials/credentials.ts'
import { UpstreamError } from '../upstream/failure.ts'
import { LayoutError } from '../upstream/layout/layout.ts'
import type { Io } from './command.ts'

const GOES_ON = 'run it again: it goes on where it ended'

/** @throws what is a defect of the program */
export async function tellingPushFailures({ stderr }: Io, work: () => Promise<number>): Promise<number> {
  try {
    return await work()
  } catch (error) {
    // Names in a layout and texts of others may not move the cursor.
    stderr.write(`berth push: ${textOf(error).replaceAll(/[^\P{C}\n]/gu, ' ')}\n`)
    return 1
  }
}

function textOf(error: unknown): string {
  const { name, message } = error as Error
  if (name === 'AbortError') return `ended before it was done; ${GOES_ON}.`
  if (error instanceof UpstreamError) return error.kind === 'lost' ? `${message}; ${GOES_ON}.` : `${message}.`
  // A list of what there is stands at the end of some.
  if (error instanceof LayoutError) return message.includes('\n') ? message : `${message}.`
  if (error instanceof CredentialsError || error instanceof RegistryError) return `${message}.`
  throw error
}
