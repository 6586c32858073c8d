import { checkHttpUrl, checkUrlPath } from './checks.ts'
import { choice, flag, list, section, table, text } from './settings.ts'

const ALGORITHMS = [
  'EdDSA',
  'RS256',
  'RS384',
  'RS512',
  'ES256',
  'ES384',
  'ES512',
  'PS256',
  'PS384',
  'PS512',
  'HS256',
  'HS384',
  'HS512',
] as const

export const token = {
  ...section('Tokens of another server, which says who may do what.', {
    realm: text({ doc: 'URL where clients get a token.', default: '' }),
    service: text({ doc: 'What tokens must be made for (`aud`).', default: '' }),
    issuer: text({ doc: 'Who must have made them (`iss`).', default: '' }),
    rootcertbundle: text({
      doc: 'File with the certificates that tokens are signed under, PEM.',
      type: 'path',
    }),
    jwks: text({
      doc: 'File with the keys that tokens are signed with, as a JSON Web Key Set.',
      type: 'path',
    }),
    signingalgorithms: list(
      'Algorithms that are taken. Empty: all but HS256, HS384, HS512.',
      choice(ALGORITHMS, { doc: 'An algorithm.', default: undefined }),
    ),
    autoredirect: flag({ doc: 'The realm is on the host that was asked.', default: false }),
    autoredirectpath: text({
      doc: 'Its path there.',
      default: '/auth/token',
      check: checkUrlPath,
      type: 'path',
    }),
  }),
  optional: true as const,
}

export const workloads = list(
  'Issuers of tokens that programs sign in with instead of a password: GitHub, GitLab, Kubernetes, any with OpenID Connect.',
  section('An issuer.', {
    name: text({ doc: 'What it is called here: names of its programs begin with it.', default: '' }),
    issuer: text({
      doc: 'Its URL, which is the `iss` of its tokens.',
      default: '',
      check: checkHttpUrl,
      type: 'URL',
    }),
    audience: text({ doc: 'What tokens must be made for (`aud`).', default: '' }),
    jwks: text({ doc: 'File with its keys. Absent: they are asked of the issuer.', type: 'path' }),
    ca: text({ doc: "File with the authority of the issuer's certificate, PEM.", type: 'path' }),
    private: flag({ doc: 'The issuer may lie at a private address.', default: false }),
    claims: list(
      'What of its tokens gives `claim:NAME` in rules. A token that meets none of these is refused.',
      section('A claim rule.', {
        name: text({ doc: 'NAME.', default: '' }),
        match: table(
          'Claims and what they must be: text, in which `*` stands for anything.',
          text({ doc: 'The value.', default: '' }),
        ),
      }),
    ),
  }),
)

export const certificates = {
  ...section('Client certificates as identities; needs `http.tls.clientcas`.', {
    name: choice(['cn', 'email', 'dns', 'uri'], {
      doc: "Which part of the certificate is the user's name: the subject's common name, or the first name of that kind.",
      default: 'cn',
    }),
    groups: choice(['none', 'ou', 'o'], {
      doc: 'Which part of its subject names groups.',
      default: 'none',
    }),
  }),
  optional: true as const,
}
