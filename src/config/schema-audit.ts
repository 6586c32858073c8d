import { duration, flag, integer, section } from './settings.ts'

export const audit = section('The record of who did what.', {
  enabled: flag({ doc: 'Keeps it.', default: true }),
  keep: duration({ doc: 'How long entries are kept.', default: 90 * 24 * 3_600_000 }),
  maxentries: integer({
    doc: 'How many entries are kept, at most.',
    default: 1_000_000,
    min: 1000,
  }),
  log: flag({ doc: 'Writes each entry into the log as well, as one line.', default: false }),
})
