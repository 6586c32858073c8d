import { choice, flag, free, list, section, table, text } from './settings.ts'
import { aside, notNeeded, refused } from './shape.ts'
import { entry, isNull, type Node } from './tree.ts'
import { readBoolean } from './scalars.ts'

/** Whether a part of a list says that it is switched off. */
export function isEnabled(node: Node): boolean {
  const disabled = entry(node, 'disabled')
  return !(disabled?.kind === 'scalar' && !disabled.quoted && readBoolean(disabled.text) === true)
}

/** Whether anything was written: not nothing, an empty text, an empty list or `false`. */
export function isGiven(node: Node): boolean {
  if (node.kind === 'list') return node.items.length > 0
  if (node.kind === 'map') return [...node.entries.values()].some(isGiven)
  return !isNull(node) && node.text !== '' && (node.quoted || readBoolean(node.text) !== false)
}

const LEVELS = ['error', 'warn', 'info', 'debug'] as const

const smtp = section('The mail server.', {
  addr: text({ doc: 'Its host and port.' }),
  username: text({ doc: 'User name.' }),
  password: text({ doc: 'Password.', secret: true }),
  insecure: flag({ doc: 'Does not check its certificate.', default: false }),
})

const hook = section('One hook.', {
  disabled: flag({ doc: 'Switches the hook off.', default: false }),
  type: text({ doc: 'Only `mail` exists.' }),
  levels: list('Levels that are mailed.', text({ doc: 'A level.' })),
  options: {
    ...section('Where to mail to.', {
      smtp,
      from: text({ doc: 'Sender.' }),
      to: list('Receivers.', text({ doc: 'A receiver.' })),
    }),
    segment: 'MAILOPTIONS',
  },
})

export const log = section('What is logged, and how.', {
  accesslog: section('The log of requests.', {
    disabled: flag({ doc: 'Writes no line per request.', default: false }),
  }),
  level: choice(LEVELS, { doc: 'The least level that is logged.', default: 'info', anyCase: true }),
  formatter: choice(['text', 'json', 'logstash'], { doc: 'The form of a line.', default: 'text' }),
  fields: table('Fields that every line carries.', free('Any value.')),
  hooks: aside(
    list(
      'Mails about what is logged.',
      refused(
        hook,
        'Berth sends no mail: let what collects its log do so, and remove the hook or set disabled: true',
        isEnabled,
      ),
    ),
  ),
  reportcaller: notNeeded(
    flag({ doc: 'Names the line of source code.', default: false }),
    'a stack stands in the log wherever there is an error',
  ),
})

/** Moved to `log.level` before the schema is applied: `load.ts`. */
export const loglevel = notNeeded(
  choice(LEVELS, { doc: 'The old name of `log.level`.', default: undefined, anyCase: true }),
  'it is the old name of log.level, which is set too and wins',
)
