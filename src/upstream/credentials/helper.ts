/** Programs that keep credentials elsewhere: `docker-credential-NAME get` (docker-credential-helpers' protocol). */
import { spawn } from 'node:child_process'
import { type Credentials, CredentialsError } from './credentials.ts'

/** It may ask a person, or the network. */
const LONGEST_MS = 60_000
const LARGEST_ANSWER = 1024 * 1024

/** @returns undefined: it has none for this registry. @throws CredentialsError */
export async function askHelper(
  name: string,
  server: string,
  env: NodeJS.ProcessEnv,
): Promise<Credentials | undefined> {
  const program = `docker-credential-${name}`
  if (!/^[\w.-]+$/.test(name))
    throw new CredentialsError(`${JSON.stringify(name)} is no name of a credential helper`)
  const { code, said, complaint } = await run(program, server, env)
  if (code !== 0) {
    if (
      /credentials not found|no credentials server URL|not found in native keychain/i.test(said + complaint)
    )
      return undefined
    const why = (reasonIn(said, code) || complaint.trim() || `it ended with ${code}`).split('\n')[0]
    throw new CredentialsError(`${program} gives no password for ${server}: ${why?.slice(0, 300)}`)
  }
  try {
    const { Username: username, Secret: secret } = JSON.parse(said) as Record<string, unknown>
    if (typeof username === 'string' && typeof secret === 'string') {
      if (username === '' && secret === '') return undefined
      return username === '<token>'
        ? { kind: 'identity-token', token: secret, from: `the token from ${program}` }
        : {
            kind: 'password',
            username,
            password: secret,
            from: `the password of ${username} from ${program}`,
          }
    }
  } catch {
    // told below
  }
  throw new CredentialsError(`${program} answers what is no credentials`)
}

/** Helpers say on their standard output why they fail; what may be an answer has a password in it. */
function reasonIn(said: string, code: number | string): string {
  return typeof code === 'number' && !said.includes('{') ? said.trim() : ''
}

function run(
  program: string,
  input: string,
  env: NodeJS.ProcessEnv,
): Promise<{ code: number | string; said: string; complaint: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, ['get'], { env, stdio: ['pipe', 'pipe', 'pipe'] })
    // What it has started itself may go on, and nobody listens to it.
    const giveUp = (): void => {
      child.kill('SIGKILL')
      child.stdout.destroy()
      child.stderr.destroy()
    }
    const timer = setTimeout(giveUp, LONGEST_MS)
    const texts = { said: '', complaint: '' }
    const collect = (stream: NodeJS.ReadableStream, key: 'said' | 'complaint'): void => {
      stream.setEncoding('utf8')
      stream.on('data', (text: string) => {
        texts[key] += text
        if (texts[key].length > LARGEST_ANSWER) giveUp()
      })
    }
    collect(child.stdout, 'said')
    collect(child.stderr, 'complaint')
    child.once('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer)
      const why = error.code === 'ENOENT' ? 'is not on the PATH' : `cannot be run (${error.code})`
      reject(
        new CredentialsError(
          `the credential helper ${program} ${why}: install it, or sign in again without it`,
        ),
      )
    })
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      resolve({ code: code ?? signal ?? 'no code', ...texts })
    })
    child.stdin.on('error', () => undefined)
    child.stdin.end(`${input}\n`)
  })
}
