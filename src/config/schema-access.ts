/** Who may do what. */
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
        ...list('What everybody who signed in may, where no rule says otherwise.', action),
        segment: 'SIGNEDIN',
      },
      administrators: list(
        'Who may do everything: `user:NAME` or `group:NAME`.',
        text({ doc: 'Somebody.', default: '' }),
      ),
      administrator: section('The first administrator, made at the first start where there is none.', {
        name: text({ doc: 'Their name.', default: 'admin' }),
        password: text({
          doc: 'Their password. Absent: a random one, which is printed once.',
          secret: true,
        }),
      }),
      groups: table(
        'Groups of users, beside those of the database.',
        list('Members.', text({ doc: 'A name.', default: '' })),
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
          ),
        }),
      ),
    },
  ),
  optional: true as const,
}
