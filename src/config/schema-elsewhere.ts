/** Sections of Distribution that Berth does not need, or does not offer yet. */
import { isEnabled, isGiven } from './schema-log.ts'
import { duration, flag, free, integer, list, section, table, text } from './settings.ts'
import { aside, notNeeded, refused, type Shape } from './shape.ts'

const word = (doc: string) => text({ doc })
const count = (doc: string) => integer({ doc, default: 0, min: Number.MIN_SAFE_INTEGER })
const time = (doc: string) => duration({ doc, default: 0, min: Number.MIN_SAFE_INTEGER })
const secret = (doc: string) => text({ doc, secret: true })
const yes = (doc: string) => flag({ doc, default: false })

const onlyWithUpstream = <S extends Shape>(shape: S) =>
  notNeeded(shape, 'means nothing without proxy.remoteurl')

export const proxy = aside(
  section('A cache in front of another registry.', {
    remoteurl: refused(
      word('The other registry.'),
      'a cache of another registry is not built yet: remove the section, or keep this cache on Distribution for now',
      isGiven,
    ),
    username: onlyWithUpstream(word('User there.')),
    password: onlyWithUpstream(secret('Password there.')),
    exec: onlyWithUpstream(
      section('A program that tells user and password.', {
        command: word('The program.'),
        lifetime: time('How long its answer holds.'),
      }),
    ),
    ttl: onlyWithUpstream(time('How long content is kept.')),
    cachewritetimeout: onlyWithUpstream(time('How long storing may take.')),
  }),
)

const endpoint = section('One receiver.', {
  name: word('Its name.'),
  disabled: yes('Switches it off.'),
  url: word('Where events are sent.'),
  headers: table('Headers of the request.', list('Values.', word('A value.')), { secret: true }),
  timeout: time('How long an answer may take.'),
  threshold: count('Failures before it waits.'),
  backoff: time('How long it waits.'),
  ignoredmediatypes: list('Media types without events.', word('A type.')),
  ignore: section('What makes no event.', {
    mediatypes: list('Media types.', word('A type.')),
    actions: list('Actions.', word('An action.')),
  }),
})

export const notifications = aside(
  section('Events over HTTP.', {
    events: {
      ...section('What events hold.', {
        includereferences: notNeeded(
          yes('Names what a manifest refers to.'),
          'means nothing without an endpoint, and these are not built yet',
        ),
      }),
      segment: 'EVENTCONFIG',
    },
    endpoints: list(
      'Receivers.',
      refused(
        endpoint,
        'notifications are not built yet, and events would be lost: remove the endpoint or set disabled: true',
        isEnabled,
      ),
    ),
  }),
)

const middlewares = (doc: string) =>
  list(
    doc,
    refused(
      section('One middleware.', {
        name: word('Its name.'),
        disabled: yes('Switches it off.'),
        options: table('Its options.', free('Any value.')),
      }),
      'Berth has no middleware, and there is no object store to send clients to: remove it or set disabled: true',
      isEnabled,
    ),
  )

export const middleware = aside(
  section('Programs between the parts of Distribution.', {
    registry: middlewares('Around the registry.'),
    repository: middlewares('Around a repository.'),
    storage: middlewares('Around the storage driver.'),
  }),
)

const REDIS_TEXT = 'clientname username sentinelusername mastername identitysuffix addr'.split(' ')
const REDIS_SECRET = 'password sentinelpassword'.split(' ')
const REDIS_COUNT =
  'db protocol maxretries poolsize minidleconns maxidleconns maxactiveconns maxredirects'.split(' ')
const REDIS_TIME = (
  'minretrybackoff maxretrybackoff dialtimeout readtimeout writetimeout pooltimeout connmaxidletime ' +
  'connmaxlifetime'
).split(' ')
const REDIS_FLAG =
  'contexttimeoutenabled poolfifo readonly routebylatency routerandomly disableidentity unstableresp3'.split(
    ' ',
  )

function each(names: readonly string[], make: (doc: string) => Shape): Record<string, Shape> {
  return Object.fromEntries(names.map((name) => [name, make(`\`${name}\` of the Redis client.`)]))
}

export const redis = notNeeded(
  section("The Redis that Distribution's cache needs.", {
    addrs: list('Addresses.', word('An address.')),
    ...each(REDIS_TEXT, word),
    ...each(REDIS_SECRET, secret),
    ...each(REDIS_COUNT, count),
    ...each(REDIS_TIME, time),
    ...each(REDIS_FLAG, yes),
    pool: section('The pool of version 2.', {
      maxidle: count('Idle connections.'),
      maxactive: count('Connections.'),
      idletimeout: time('When an idle one is closed.'),
    }),
    tls: section('TLS to Redis.', {
      certificate: word('Certificate.'),
      key: word('Key.'),
      rootcas: list('Authorities.', word('A file.')),
    }),
  }),
  'Berth keeps nothing in Redis',
)

export const reporting = notNeeded(
  section('Error reports of version 2.', {
    bugsnag: section('Bugsnag.', {
      apikey: secret('Key.'),
      releasestage: word('Stage.'),
      endpoint: word('Server.'),
    }),
    newrelic: section('New Relic.', {
      licensekey: secret('Key.'),
      name: word('Name.'),
      verbose: yes('Says more.'),
    }),
  }),
  'Berth reports to nobody: errors stand in its log, counts in its metrics',
)

export const compatibility = aside(
  section('Old formats of version 2.', {
    schema1: section('Image manifests of schema 1.', {
      signingkeyfile: notNeeded(
        word('The key that signs them.'),
        'schema 1 is not served, so nothing is signed',
      ),
      enabled: refused(
        yes('Accepts and serves them.'),
        'schema 1 is not served; no client since Docker 1.10 needs it: remove the section',
        isGiven,
      ),
    }),
  }),
)
