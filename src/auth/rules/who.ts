/** Whom an entry of a rule means. */
import { nearest } from '../../lib/nearest.ts'

export const NAMED = ['user', 'group', 'robot', 'claim'] as const

/**
 * `anonymous`: everybody, who signed in or not. `signed-in`: every person who signed in; no robots, no workloads.
 * `claim`: workloads whose token met the claim rule of that name.
 */
export type Who =
  | { readonly kind: 'anonymous' | 'signed-in'; readonly name?: undefined }
  | { readonly kind: (typeof NAMED)[number]; readonly name: string }

const EVERYBODY = ['anonymous', 'signed-in'] as const
const FORMS = 'anonymous, signed-in, user:NAME, group:NAME, robot:NAME or claim:NAME'
/** Words that others have for these. */
const OTHER_WORDS: Readonly<Record<string, string>> = {
  all: 'anonymous',
  any: 'anonymous',
  anyone: 'anonymous',
  everyone: 'anonymous',
  everybody: 'anonymous',
  public: 'anonymous',
  '*': 'anonymous',
  authenticated: 'signed-in',
  users: 'signed-in',
  signedin: 'signed-in',
}
const MAX_LENGTH = 512

/** What is wrong, and what to do, as `"…" …`. */
export type WhoProblem = { readonly problem: string }

export function parseWho(text: string): Who | WhoProblem {
  const everybody = EVERYBODY.find((word) => word === text)
  if (everybody !== undefined) return { kind: everybody }
  if (text.length > MAX_LENGTH) return { problem: `has more than ${MAX_LENGTH} characters` }
  const colon = text.indexOf(':')
  if (colon < 0) return { problem: whyNot(text) }
  const word = text.slice(0, colon)
  const name = text.slice(colon + 1)
  const kind = NAMED.find((one) => one === word)
  if (kind === undefined) {
    const near = nearest(word, NAMED)
    const hint = near === undefined ? `it must be ${FORMS}` : `did you mean ${near}:${name.slice(0, 100)}?`
    return { problem: `names nobody: there is no kind ${JSON.stringify(word.slice(0, 60))}; ${hint}` }
  }
  if (name === '') return { problem: `has no name: write it behind the colon, as ${kind}:NAME` }
  if (name.trim() !== name || /\p{Cc}/u.test(name))
    return { problem: 'has a name with a blank at its beginning or end, or a control character' }
  return { kind, name }
}

function whyNot(text: string): string {
  const lower = text.toLowerCase()
  const known = Object.hasOwn(OTHER_WORDS, lower) ? OTHER_WORDS[lower] : nearest(text, EVERYBODY)
  if (known !== undefined) return `names nobody; did you mean ${known}?`
  const kind = nearest(text, NAMED)
  if (kind !== undefined) return `names nobody: write ${kind}:NAME`
  const example = /^[^\s:{}]{1,60}$/.test(text) ? `; write user:${text} or group:${text}` : ''
  return `names nobody: it must be ${FORMS}${example}`
}
