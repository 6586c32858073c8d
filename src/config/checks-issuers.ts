/** Checks of who else vouches for somebody: `auth.token`, `auth.workloads`, `auth.certificates`. */
import { parseWho } from '../auth/rules/who.ts'
import { createAddressKind } from '../lib/address-kind.ts'
import { checkUrlPath } from './checks.ts'
import { type Mistake, mistakeAt } from './mistakes.ts'
import type { Config } from './schema.ts'
import { DEFAULT_ORIGIN, describeOrigin, type Origin } from './tree.ts'

/** Distribution puts the slash before it. */
export function checkRedirectPath(path: string): string {
  return checkUrlPath(path.startsWith('/') ? path : `/${path}`)
}

type Given = { config: Config; origins: ReadonlyMap<string, Origin> }
type Say = (path: string, message: string) => void

export function checkIssuers({ config, origins }: Given): Mistake[] {
  const mistakes: Mistake[] = []
  const say: Say = (path, message) => {
    // What is absent stands where the section does that it is missing in.
    const origin = origins.get(path)
    const place = origin === undefined || origin.from === 'default' ? origins.get(parentOf(path)) : origin
    mistakes.push(mistakeAt(place, path, message))
  }
  checkToken(config, say)
  checkWorkloads(config, say, origins)
  checkCertificates(config, say)
  return mistakes
}

const parentOf = (path: string): string => path.replace(/(?:\.[^.[]*|\[[0-9]+\])$/, '')

function checkToken({ auth }: Config, say: Say): void {
  const { token, htpasswd, ldap, workloads, certificates } = auth
  if (token === undefined) return
  const others = { htpasswd, ldap, certificates, workloads: workloads.length > 0 ? workloads : undefined }
  for (const [name, other] of Object.entries(others)) {
    if (other === undefined) continue
    say(
      `auth.${name}`,
      'cannot stand beside auth.token: there another server signs people in and decides who may do what. Take one of ' +
        'the two away',
    )
  }
  if (token.realm === '' && !token.autoredirect)
    say('auth.token.realm', 'must be set: the URL where clients get a token')
  if (token.service === '')
    say(
      'auth.token.service',
      'must be set: what tokens are made for (aud), as the token server knows this registry',
    )
  if (token.issuer === '') say('auth.token.issuer', 'must be set: who makes the tokens (iss)')
  if (token.rootcertbundle === undefined && token.jwks === undefined) {
    say(
      'auth.token',
      'needs rootcertbundle or jwks beside it: a file with the keys that tokens are signed with',
    )
  }
}

type Workload = Config['auth']['workloads'][number]

function checkWorkloads({ auth }: Config, say: Say, origins: Given['origins']): void {
  const seen = new Map<string, string>()
  const once = (kind: string, value: string, path: string): void => {
    const before = value === '' ? undefined : seen.get(`${kind} ${value}`)
    if (before === undefined) seen.set(`${kind} ${value}`, path)
    else {
      const place = describeOrigin(origins.get(before) ?? DEFAULT_ORIGIN)
      say(path, `is that of ${before.replace(/\.[a-z]+$/, '')} (${place}) already: ${ONCE[kind as 'name']}`)
    }
  }
  for (const [index, one] of auth.workloads.entries()) {
    const path = `auth.workloads[${index}]`
    checkName(one, path, say)
    checkIssuer(one, path, say)
    if (one.audience === '') {
      say(
        `${path}.audience`,
        'must be set: what tokens have to be made for (aud), such as the address of this registry; without it, a token ' +
          'that a program gave to anybody else would do here',
      )
    }
    checkClaims(one, path, say)
    once('name', one.name, `${path}.name`)
    once('issuer', one.issuer, `${path}.issuer`)
  }
}

const ONCE = {
  name: 'give each another name',
  issuer: 'write what its tokens may be as more claims of one',
} as const

function checkName({ name }: Workload, path: string, say: Say): void {
  if (name === '') say(`${path}.name`, 'must be set, as github: names of its programs begin with it')
  else if (!/^[a-z0-9][a-z0-9._-]{0,62}$/.test(name)) {
    say(`${path}.name`, 'must be lower-case letters, digits, ".", "_" and "-" only, at most 63')
  }
}

function checkIssuer({ issuer, jwks, private: isPrivate }: Workload, path: string, say: Say): void {
  if (issuer === '') {
    say(
      `${path}.issuer`,
      'must be set: the iss of its tokens, as https://token.actions.githubusercontent.com',
    )
    return
  }
  const { protocol, hostname, search, hash, username, password } = new URL(issuer)
  if (search + hash + username + password !== '')
    say(`${path}.issuer`, 'must be a scheme, a host and a path only')
  // Nobody is asked where the keys are in a file.
  if (jwks !== undefined || isPrivate) return
  if (isNear(hostname)) {
    say(
      `${path}.issuer`,
      'is on this machine or in a private network: write private: true beside it, if that is meant',
    )
  } else if (protocol !== 'https:') {
    say(
      `${path}.issuer`,
      'must begin with https://: whoever is in between could sign in as any program. For an issuer in a private ' +
        'network write private: true beside it',
    )
  }
}

function isNear(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '')
  return /^(?:.*\.)?localhost$/.test(host) || createAddressKind()(host) === 'private'
}

function checkClaims({ claims }: Workload, path: string, say: Say): void {
  if (claims.length === 0) {
    say(
      `${path}.claims`,
      'must have a rule at least, as {name: ours, match: {repository_owner: my-org}}: an issuer makes tokens for all ' +
        'who use it',
    )
  }
  const names = new Set<string>()
  for (const [index, { name, match }] of claims.entries()) {
    const place = `${path}.claims[${index}]`
    const who = name === '' ? undefined : parseWho(`claim:${name}`)
    if (who === undefined) say(`${place}.name`, 'must be set: it is NAME in the claim:NAME of rules')
    else if ('problem' in who) say(`${place}.name`, who.problem)
    else if (names.has(name)) say(`${place}.name`, `${name} is the name of another one: give each its own`)
    names.add(name)
    if (Object.keys(match).length === 0)
      say(
        `${place}.match`,
        'must name a claim at least: a rule without any would mean every program there is',
      )
  }
}

function checkCertificates({ auth, http }: Config, say: Say): void {
  if (auth.certificates === undefined) return
  const { clientcas, clientauth } = http.tls
  if (clientcas.length === 0) {
    say(
      'auth.certificates',
      'needs http.tls.clientcas: the authorities whose certificates count; without them none would be asked for',
    )
  } else if (clientauth === 'request-client-cert' || clientauth === 'require-any-client-cert') {
    say(
      'auth.certificates',
      `needs certificates that are verified, and http.tls.clientauth is ${clientauth}: write verify-client-cert-if-given ` +
        'or require-and-verify-client-cert',
    )
  }
}
