import { checkRedirectPath } from './checks-issuers.ts'
import { checkHttpUrl } from './checks.ts'
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
  ...section('Tokens of another server, which says who may do what, as in Distribution.', {
    realm: text({ doc: 'URL where clients get a token. Needed, but for `autoredirect`.', default: '' }),
    service: text({ doc: 'What tokens must be made for (`aud`). Needed.', default: '' }),
    issuer: text({ doc: 'Who must have made them (`iss`). Needed.', default: '' }),
    rootcertbundle: text({
      doc: 'File with the certificates that tokens are signed under, PEM. It, or `jwks`, or both. It is read again when it changes.',
      type: 'path',
    }),
    jwks: text({
      doc: 'File with the keys that tokens are signed with, as a JSON Web Key Set. It is read again when it changes.',
      type: 'path',
    }),
    signingalgorithms: list(
      'Algorithms that are taken. Empty: all of these; those with a shared secret (HS) never fit, as keys are public.',
      choice(ALGORITHMS, { doc: 'An algorithm.', default: undefined }),
    ),
    autoredirect: flag({
      doc: 'The realm is on the host that was asked, over HTTPS, or what `X-Forwarded-Proto` says.',
      default: false,
    }),
    autoredirectpath: text({
      doc: 'Its path there.',
      default: '/auth/token',
      check: checkRedirectPath,
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
    jwks: text({
      doc: 'File with its keys, as a JSON Web Key Set. It is read again when it changes. Absent: the issuer is asked.',
      type: 'path',
    }),
    ca: text({ doc: "File with the authority of the issuer's certificate, PEM.", type: 'path' }),
    private: flag({
      doc: 'The issuer may be on this machine or in a private network, and over plain HTTP there.',
      default: false,
    }),
    claims: list(
      'What of its tokens gives `claim:NAME` in rules. A token that meets none of these is refused.',
      section('A claim rule.', {
        name: text({ doc: 'NAME.', default: '' }),
        match: table(
          'Claims and what they must be, all of them: text, in which `*` stands for anything. Of a list, one member is enough; what lies inside another is written as `kubernetes.io/namespace`.',
          text({ doc: 'The value.', default: '' }),
        ),
      }),
    ),
  }),
)

export const certificates = {
  ...section(
    'Client certificates as identities, where there is no other sign-in. Needs `http.tls.clientcas`, and that they are verified (`http.tls.clientauth`).',
    {
      name: choice(['cn', 'email', 'dns', 'uri'], {
        doc: "Which part of the certificate is the user's name: the subject's common name, or the first name of that kind.",
        default: 'cn',
      }),
      groups: choice(['none', 'ou', 'o'], {
        doc: 'Which part of its subject names groups.',
        default: 'none',
      }),
    },
  ),
  optional: true as const,
}
