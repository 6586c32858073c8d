/** Whom `berth push` signs in as, and where it remembers what is unfinished. */
import { homedir } from 'node:os'
import { join } from 'node:path'
import { type Credentials, CredentialsError } from '../upstream/credentials/credentials.ts'
import { findCredentials } from '../upstream/credentials/find-credentials.ts'
import type { Io } from './command.ts'
import { firstLine } from './password-input.ts'
import type { PushArguments } from './push-arguments.ts'

/** @throws CredentialsError */
export async function credentialsFor(
  { address, username, readsPassword }: PushArguments,
  { env }: Io,
): Promise<Credentials | undefined> {
  if (username === undefined || !readsPassword) return findCredentials(address.host, address.repository, env)
  const password = await firstLine(process.stdin)
  if (password === undefined)
    throw new CredentialsError('--password-stdin: there is no password on the standard input')
  return { kind: 'password', username, password, from: `the password of ${username}` }
}

/** XDG Base Directory Specification, "state". */
export function stateFolder(env: NodeJS.ProcessEnv): string {
  return join(env['XDG_STATE_HOME'] || join(env['HOME'] ?? homedir(), '.local', 'state'), 'berth', 'uploads')
}
