/** `auth.token`, `auth.workloads` and `auth.certificates`: all mistakes at once, with their lines. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LEAST, load, loadFile, mistakesOf } from './files.fixture.ts'

const TOKEN = 'realm: https://tokens.example.com/token, service: s, issuer: i'
const ISSUER = 'name: a, issuer: https://issuer.example.com'
const RULES = 'claims: [{ name: ours, match: { sub: x } }]'
const TLS = '{ certificate: /c, key: /k, clientcas: [/a]'

const GOOD = [
  `auth: { token: { ${TOKEN}, rootcertbundle: /b } }`,
  `auth: { token: { ${TOKEN}, jwks: /j, signingalgorithms: [ES256, EdDSA] } }`,
  'auth: { token: { autoredirect: true, service: s, issuer: i, jwks: /j } }',
  `auth: { workloads: [{ ${ISSUER}, audience: r, ${RULES} }] }`,
  `auth: { workloads: [{ name: a, issuer: 'http://127.0.0.1:4000', private: true, audience: r, ${RULES} }] }`,
  `auth: { workloads: [{ name: a, issuer: 'http://issuer.internal', jwks: /j, audience: r, ${RULES} }] }`,
  `auth: { certificates: {} }\nhttp: { tls: ${TLS} } }`,
  `auth: { certificates: { name: email, groups: ou } }\nhttp: { tls: ${TLS}, clientauth: verify-client-cert-if-given } }`,
]

const WRONG: readonly [text: string, ...mistakes: string[]][] = [
  [
    'auth:\n  token: {}',
    '4: auth.token.realm: must be set: the URL where clients get a token',
    '4: auth.token.service: must be set: what tokens are made for (aud), as the token server knows this registry',
    '4: auth.token.issuer: must be set: who makes the tokens (iss)',
    '4: auth.token: needs rootcertbundle or jwks beside it: a file with the keys that tokens are signed with',
  ],
  [
    `auth:\n  token: { ${TOKEN}, jwks: /j, signingalgorithms: [none] }`,
    '4: auth.token.signingalgorithms[0]: must be one of EdDSA, RS256, RS384, RS512, ES256, ES384, ES512, PS256, PS384, PS512, HS256, HS384, HS512, not "none"',
  ],
  [
    `auth:\n  token: { ${TOKEN}, jwks: /j }\n  ldap: { url: 'ldaps://d' }`,
    '5: auth.ldap: cannot stand beside auth.token: there another server signs people in and decides who may do what. Take one of the two away',
  ],
  [
    'auth:\n  workloads:\n    - {}',
    '5: auth.workloads[0].name: must be set, as github: names of its programs begin with it',
    '5: auth.workloads[0].issuer: must be set: the iss of its tokens, as https://token.actions.githubusercontent.com',
    '5: auth.workloads[0].audience: must be set: what tokens have to be made for (aud), such as the address of this registry; without it, a token that a program gave to anybody else would do here',
    '5: auth.workloads[0].claims: must have a rule at least, as {name: ours, match: {repository_owner: my-org}}: an issuer makes tokens for all who use it',
  ],
  [
    `auth:\n  workloads:\n    - { ${ISSUER}, audience: r, ${RULES} }\n    - { ${ISSUER}, audience: r, ${RULES} }`,
    '6: auth.workloads[1].name: is that of auth.workloads[0] (config.yml:5) already: give each another name',
    '6: auth.workloads[1].issuer: is that of auth.workloads[0] (config.yml:5) already: write what its tokens may be as more claims of one',
  ],
  [
    `auth:\n  workloads:\n    - { name: 'a:b', issuer: 'http://issuer.example.com', audience: r, ${RULES} }`,
    '5: auth.workloads[0].name: must be lower-case letters, digits, ".", "_" and "-" only, at most 63',
    '5: auth.workloads[0].issuer: must begin with https://: whoever is in between could sign in as any program. For an issuer in a private network write private: true beside it',
  ],
  ...['https://localhost:4000', 'https://10.0.0.1', 'https://[::1]', 'http://169.254.169.254'].map(
    (issuer): [string, string] => [
      `auth:\n  workloads:\n    - { name: a, issuer: '${issuer}', audience: r, ${RULES} }`,
      '5: auth.workloads[0].issuer: is on this machine or in a private network: write private: true beside it, if that is meant',
    ],
  ),
  [
    `auth:\n  workloads:\n    - { name: a, issuer: 'https://x.example/?y', audience: r, ${RULES} }`,
    '5: auth.workloads[0].issuer: must be a scheme, a host and a path only',
  ],
  [
    `auth:\n  workloads:\n    - { ${ISSUER}, audience: r, claims: [{}, { name: b, match: { a: b } }, { name: b, match: { a: c } }] }`,
    '5: auth.workloads[0].claims[0].name: must be set: it is NAME in the claim:NAME of rules',
    '5: auth.workloads[0].claims[0].match: must name a claim at least: a rule without any would mean every program there is',
    '5: auth.workloads[0].claims[2].name: b is the name of another one: give each its own',
  ],
  [
    'auth:\n  certificates: {}',
    '4: auth.certificates: needs http.tls.clientcas: the authorities whose certificates count; without them none would be asked for',
  ],
  ...['request-client-cert', 'require-any-client-cert'].map((rule): [string, string] => [
    `auth:\n  certificates: {}\nhttp: { tls: ${TLS}, clientauth: ${rule} } }`,
    `4: auth.certificates: needs certificates that are verified, and http.tls.clientauth is ${rule}: write verify-client-cert-if-given or require-and-verify-client-cert`,
  ]),
]

test('what is right is taken', () => {
  for (const text of GOOD) loadFile(`${LEAST}${text}\n`)
})

test('what is wrong is said, with its line and what to do', () => {
  for (const [text, ...mistakes] of WRONG) {
    const expected = mistakes.map((mistake) => `config.yml:${mistake}`)
    assert.deepEqual(mistakesOf(() => loadFile(`${LEAST}${text}\n`)).sort(), expected.sort(), text)
  }
})

test('the environment too, and a path of a redirect without its slash', () => {
  const env = {
    REGISTRY_AUTH: 'token',
    REGISTRY_AUTH_TOKEN_AUTOREDIRECT: 'true',
    REGISTRY_AUTH_TOKEN_AUTOREDIRECTPATH: 'token',
    REGISTRY_AUTH_TOKEN_SERVICE: 's',
    REGISTRY_AUTH_TOKEN_ISSUER: 'i',
    REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE: '/b',
  }
  const { token } = load({ env }).config.auth
  assert.equal(token?.autoredirectpath, '/token')
  assert.deepEqual(
    mistakesOf(() => load({ env: { ...env, REGISTRY_AUTH_TOKEN_ISSUER: '' } })),
    ['REGISTRY_AUTH_TOKEN_ISSUER: auth.token.issuer: must be set: who makes the tokens (iss)'],
  )
})
