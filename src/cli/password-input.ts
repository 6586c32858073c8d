/** A password for an account: asked for, read from the standard input, or made. Never an argument: those can be seen. */
import { randomCharacters } from '../auth/secrets.ts'
import { whyNoPassword } from '../auth/names.ts'
import { canAsk } from './confirm.ts'
import type { Io } from './command.ts'

export const PASSWORD_OPTIONS = {
  'password-stdin': { type: 'boolean' },
  generate: { type: 'boolean' },
} as const

export const PASSWORD_HELP = `      --password-stdin   read the password from the standard input: its first line
      --generate         make a random one and print it, alone, on the standard output
`

type Chosen = { 'password-stdin'?: boolean; generate?: boolean }
export type NewPassword = { text: string; isGenerated: boolean }

/** As much as is read of an input that may have no end. */
const LONGEST_LINE = 4096

/** @returns `wrong` says what is; `use`: the arguments are, rather than the password */
export async function readNewPassword(
  io: Io,
  chosen: Chosen,
): Promise<NewPassword | { wrong: string; isUse: boolean }> {
  if (chosen.generate === true && chosen['password-stdin'] === true)
    return { wrong: 'say either --generate or --password-stdin', isUse: true }
  if (chosen.generate === true) return { text: randomCharacters(24), isGenerated: true }
  let text: string | undefined
  if (chosen['password-stdin'] === true) text = await firstLine(process.stdin)
  else if (canAsk(io)) {
    text = await ask(io, 'Password: ')
    if (text !== undefined && (await ask(io, 'The same again: ')) !== text)
      return { wrong: 'the two are not the same', isUse: false }
  } else {
    return {
      wrong: 'there is no terminal to ask for the password: say --password-stdin or --generate',
      isUse: true,
    }
  }
  if (text === undefined) return { wrong: 'no password was given', isUse: false }
  const why = whyNoPassword(text)
  return why === undefined ? { text, isGenerated: false } : { wrong: `the password ${why}`, isUse: false }
}

/** Of an input that is read no further. Undefined: there is none. */
export async function firstLine(input: NodeJS.ReadableStream): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of input as AsyncIterable<Buffer | string>) {
    const bytes = Buffer.from(chunk as string)
    chunks.push(bytes)
    length += bytes.length
    if (bytes.includes(0x0a) || length > LONGEST_LINE) break
  }
  const [line = ''] = Buffer.concat(chunks).toString('utf8').split('\n')
  return line === '' ? undefined : line.replace(/\r$/, '')
}

const ENTER = new Set(['\r', '\n'])
const ERASE = new Set(['\u007f', '\b'])

/** Nothing of it is shown, not even how long it is. Undefined: Ctrl-C, Ctrl-D. Only where somebody can be asked. */
function ask({ stderr }: Pick<Io, 'stderr'>, question: string): Promise<string | undefined> {
  const { stdin } = process
  // First: what is typed before is not shown either, and Ctrl-C comes here.
  stdin.setRawMode(true)
  stdin.setEncoding('utf8')
  stderr.write(question)
  let typed: string[] = []
  return new Promise((resolve) => {
    const end = (answer: string | undefined): void => {
      stdin.off('data', take)
      stdin.setRawMode(false)
      stdin.pause()
      stderr.write('\n')
      resolve(answer)
    }
    const take = (chunk: string): void => {
      for (const character of chunk) {
        if (ENTER.has(character)) return end(typed.length === 0 ? undefined : typed.join(''))
        if (character === '\u0003' || character === '\u0004') return end(undefined)
        if (ERASE.has(character)) typed.pop()
        else if (character === '\u0015') typed = []
        else typed.push(character)
      }
    }
    stdin.on('data', take)
    stdin.resume()
  })
}
