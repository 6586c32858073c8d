/** Who may do what. */
import { checkAdministrator, checkGroupName, checkMember, checkWho } from './checks-access.ts'
import { checkPassword, checkUserName } from './checks-auth.ts'
import { choice, flag, list, section, table, text } from './settings.ts'

const ACTIONS = ['pull', 'push', 'create', 'delete', 'admin'] as const
const action = choice(ACTIONS, { doc: 'An action.', default: undefined })

export const access = {
  ...section(
    "Who may do what, per repository. With it, Berth's own users, robots and tokens are there too, and clients are sent " +
      'to its token service.',
    {
      enabled: flag({ doc: 'False: as if the section were not there.', default: true }),
      anonymous: list('What everybody may, where no rule says otherwise.', action),
      'signed-in': {
        ...list('What every person who signed in may, where no rule says otherwise.', action),
        segment: 'SIGNEDIN',
        absent: ['pull', 'push', 'delete'],
      },
      administrators: list(
        'Who may do everything: `user:NAME` or `group:NAME`.',
        text({ doc: 'Somebody.', default: '', check: checkAdministrator }),
      ),
      administrator: section('The first administrator, made at the first start where there is none.', {
        name: text({ doc: 'Their name.', default: 'admin', check: checkUserName }),
        password: text({
          doc: 'Their password. Absent: a random one, which is printed once. Once there is an administrator, it changes nothing.',
          secret: true,
          check: checkPassword,
        }),
      }),
      groups: table(
        'Groups, beside those of the database: names of users, and `robot:NAME`.',
        list('Members.', text({ doc: 'A name.', default: '', check: checkMember })),
        { checkKey: checkGroupName },
      ),
      rules: list(
        'Rules for repositories: of those that match, the one with the most specific pattern decides.',
        section('A rule.', {
          repositories: list(
            'Patterns: `team/app`, `team/*` (one component), `team/**` (all the rest), `{user}/**` (the name of who asks).',
            text({ doc: 'A pattern.', default: '' }),
          ),
          allow: table(
            'Who may do what: `anonymous`, `signed-in`, `user:NAME`, `group:NAME`, `robot:NAME`, `claim:NAME`, each with ' +
              'a list of `pull`, `push`, `create`, `delete`, `admin`.',
            list('Actions.', action),
            { checkKey: checkWho },
          ),
        }),
      ),
    },
  ),
  optional: true as const,
}
