/** Files as `htpasswd` writes them: a name, a colon and a hash a line; `#` begins a comment. */
import { kindOfHash } from './passwords/parse-hash.ts'

export type HtpasswdLine = { readonly name: string; readonly hash: string }

export type HtpasswdProblem = {
  /** Counted from 1. */
  readonly line: number
  /** Absent: the line has none. Never anything else of the line, which may be a password. */
  readonly name?: string
  /** What is wrong and what to do. */
  readonly why: string
}

export type Htpasswd = {
  readonly users: ReadonlyMap<string, HtpasswdLine>
  /** Names that the file has, and with which nobody can sign in as it is. */
  readonly unusable: ReadonlySet<string>
  readonly problems: readonly HtpasswdProblem[]
}

const LONGEST_NAME = 255
const DO = 'write the line again with "htpasswd -B"'

export function parseHtpasswd(text: string): Htpasswd {
  const users = new Map<string, HtpasswdLine & { line: number }>()
  const unusable = new Set<string>()
  const problems: HtpasswdProblem[] = []
  const refuse = (line: number, name: string, why: string): void => {
    unusable.add(name)
    users.delete(name)
    problems.push({ line, name: name.slice(0, LONGEST_NAME), why })
  }
  for (const [index, raw] of text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .entries()) {
    const line = index + 1
    const trimmed = raw.trim()
    if (trimmed === '' || trimmed.startsWith('#')) continue
    const colon = trimmed.indexOf(':')
    const name = trimmed.slice(0, Math.max(0, colon))
    const hash = trimmed.slice(colon + 1)
    if (colon < 0) {
      problems.push({
        line,
        why: `has no colon: it must be a name, a colon and a hash, as "htpasswd -B" writes it`,
      })
      continue
    }
    const why = nameProblem(name) ?? hashProblem(hash)
    const before = users.get(name)
    if (before?.hash === hash) continue
    if (why !== undefined) refuse(line, name, why)
    else if (before !== undefined)
      refuse(
        line,
        name,
        `the name stands in line ${before.line} too, with another password: keep one of them`,
      )
    else if (unusable.has(name))
      refuse(line, name, 'the name stands in an earlier line too: keep one of them')
    else users.set(name, { name, hash, line })
  }
  return { users, unusable, problems }
}

function nameProblem(name: string): string | undefined {
  if (name === '') return 'the name is missing'
  if (name.length > LONGEST_NAME) return `the name is longer than ${LONGEST_NAME} characters`
  return /\p{Cc}|\uFFFD/u.test(name) ? 'the name has characters that none can have' : undefined
}

function hashProblem(hash: string): string | undefined {
  const kind = kindOfHash(hash)
  return 'unusable' in kind ? `the password ${kind.unusable}: ${DO}` : undefined
}
