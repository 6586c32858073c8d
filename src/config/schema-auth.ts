/** Who somebody is: where names and passwords, tokens and certificates are checked. */
import { htpasswd } from './schema-auth-htpasswd.ts'
import { ldap } from './schema-auth-ldap.ts'
import { certificates, token, workloads } from './schema-auth-token.ts'
import { free, section } from './settings.ts'
import { refused } from './shape.ts'

const silly = refused(
  free('Any Authorization header; made for tests.'),
  'it lets in whoever sends any Authorization header at all: use htpasswd, or access for users of its own',
)

export const auth = {
  ...section(
    'Who somebody is. Without it and without `access`, whoever reaches the port may pull and push. What is given here is ' +
      'asked in this order: secrets of robots and personal tokens, users of `access`, `htpasswd`, `ldap`, `workloads`.',
    {
      none: { ...section('Nobody is asked who they are.', {}), optional: true as const },
      htpasswd,
      token,
      silly,
      ldap,
      workloads,
      certificates,
    },
  ),
  open: true as const,
}
