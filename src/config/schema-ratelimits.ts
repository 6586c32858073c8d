import { bytes, integer, section } from './settings.ts'

/** Zero: no limit. */
export const ratelimits = section(
  'How much one account, or one address that did not sign in, may ask for. What is beyond is answered 429 with ' +
    'Retry-After.',
  {
    requests: integer({ doc: 'Requests a second. 0: no limit.', default: 0, max: 1_000_000 }),
    burst: integer({
      doc: 'Requests that may come at once, after a pause. 0: ten times `requests`.',
      default: 0,
      max: 10_000_000,
    }),
    bytes: bytes({
      doc: 'Bytes a second that may be pulled, in the mean of a minute, as `20MiB`. 0: no limit.',
      default: 0,
    }),
    uploads: integer({ doc: 'Uploads at a time. 0: no limit.', default: 0, max: 1_000_000 }),
  },
)
