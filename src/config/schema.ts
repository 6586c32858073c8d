/** Every setting there is. `docs/configuration.md` is made from it. */
import { access } from './schema-access.ts'
import { audit } from './schema-audit.ts'
import { auth } from './schema-auth.ts'
import { compatibility, middleware, notifications, proxy, redis, reporting } from './schema-elsewhere.ts'
import { health } from './schema-health.ts'
import { http } from './schema-http.ts'
import { catalog, policy, tags, validation } from './schema-limits.ts'
import { log, loglevel } from './schema-log.ts'
import { ratelimits } from './schema-ratelimits.ts'
import { gc, metadata, scrub, storage, trash } from './schema-storage.ts'
import { choice, section } from './settings.ts'
import type { Value } from './shape.ts'

export const schema = section('', {
  version: choice(['0.1'], {
    doc: 'The version of this format; must stand in a file.',
    default: '0.1',
  }),
  log,
  loglevel,
  storage,
  metadata,
  trash,
  scrub,
  gc,
  http,
  health,
  catalog,
  tags,
  validation,
  policy,
  auth,
  access,
  ratelimits,
  audit,
  proxy,
  notifications,
  middleware,
  redis,
  reporting,
  compatibility,
})

/**
 * What the rest of Berth reads: the settings that work, below the file's own keys, every default filled in. Durations
 * are milliseconds, sizes bytes.
 */
export type Config = Value<typeof schema>
