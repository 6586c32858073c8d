import { checkLdapUrl } from './checks-auth.ts'
import { duration, flag, LONGEST_WAIT, section, text } from './settings.ts'

export const ldap = {
  ...section('Names and passwords of a directory, with its groups.', {
    url: text({
      doc: '`ldaps://directory.example.com` or `ldap://…`.',
      default: '',
      check: checkLdapUrl,
      type: 'URL',
    }),
    starttls: flag({ doc: 'Speaks TLS on an `ldap://` address before anything is said.', default: false }),
    ca: text({ doc: "File with the authority of the directory's certificate, PEM.", type: 'path' }),
    binddn: text({ doc: 'Who searches the directory; absent: nobody in particular.', default: '' }),
    bindpassword: text({ doc: 'Password of `binddn`.', secret: true }),
    userbase: text({ doc: 'Below which entry people are, as `ou=people,dc=example,dc=com`.', default: '' }),
    userfilter: text({ doc: 'Finds one by name, which stands for `{name}`.', default: '(uid={name})' }),
    nameattribute: text({ doc: 'The attribute that is the name.', default: 'uid' }),
    groupbase: text({ doc: 'Below which entry groups are; absent: there are none.', default: '' }),
    groupfilter: text({
      doc: 'Finds the groups of somebody: `{dn}` stands for the entry, `{name}` for the name.',
      default: '(member={dn})',
    }),
    groupattribute: text({ doc: "The attribute that is a group's name.", default: 'cn' }),
    timeout: duration({
      doc: 'How long the directory may take.',
      default: 5000,
      min: 100,
      max: LONGEST_WAIT,
    }),
    cache: duration({
      doc: 'How long what it said holds: passwords, groups, and that an account is there.',
      default: 60_000,
      max: 3_600_000,
    }),
  }),
  optional: true as const,
}
