import { duration, flag, integer, section } from './settings.ts'

export const audit = section('The record of who did what.', {
  enabled: flag({ doc: 'Keeps it.', default: true }),
  keep: duration({ doc: 'How long entries are kept.', default: 90 * 24 * 3_600_000 }),
  maxentries: integer({
    doc: 'How many entries are kept, at most.',
    default: 1_000_000,
    min: 1000,
  }),
})

/** Zero: no limit. */
export const ratelimits = section(
  'How much one client may ask for. What is beyond is answered 429 with Retry-After.',
  {
    requests: integer({
      doc: 'Requests a second of one account, or of one address that did not sign in. 0: no limit.',
      default: 0,
    }),
    bytes: integer({
      doc: 'MiB a second, in the mean of a minute, that one account or address may pull. 0: no limit.',
      default: 0,
    }),
    uploads: integer({ doc: 'Uploads at a time of one account or address. 0: no limit.', default: 0 }),
  },
)
