/** Pull counts: kept in memory by whoever serves, added to the rows once a minute. A pull itself writes nothing. */
import { type Digest, digestToStoredHex } from '../oci/digest.ts'
import type { Db, Statement } from './database.ts'

const DAY_MS = 86_400_000
/** Manifests and tags counted between two flushes; beyond it, new ones are only counted for their repository. */
const MAX_COUNTS = 100_000

const COUNT_MANIFESTS: Statement = {
  name: 'count-manifest-pulls',
  sql: `UPDATE manifests SET pulls = pulls + (j.value ->> 'n'), last_pulled_at = max(coalesce(last_pulled_at, 0), j.value ->> 'at')
        FROM json_each(:manifests) j
        WHERE repository_id = j.value ->> 'repository' AND digest = unhex(j.value ->> 'digest')`,
}
const COUNT_TAGS: Statement = {
  name: 'count-tag-pulls',
  sql: `UPDATE tags SET pulls = pulls + (j.value ->> 'n'), last_pulled_at = max(coalesce(last_pulled_at, 0), j.value ->> 'at')
        FROM json_each(:tags) j WHERE repository_id = j.value ->> 'repository' AND name = j.value ->> 'tag'`,
}
const COUNT_DAYS: Statement = {
  name: 'count-pull-days',
  sql: `INSERT INTO pull_days (repository_id, day, pulls, bytes)
        SELECT r.id, j.value ->> 'day', j.value ->> 'n', j.value ->> 'bytes' FROM json_each(:days) j
        JOIN repositories r ON r.id = j.value ->> 'repository' WHERE true
        ON CONFLICT (repository_id, day) DO UPDATE SET pulls = pulls + excluded.pulls, bytes = bytes + excluded.bytes`,
}

export type PullRecorder = {
  manifest(repository: number, digest: Digest, tag: string | undefined, bytes: number): void
  blob(repository: number, bytes: number): void
  flush(): Promise<void>
}

type Count = { n: number; at: number }
type Day = { n: number; bytes: number }
/** Maps of maps, since texts made of two parts with each pull would cost more than all the rest. */
type Pulls = { manifests: Map<Digest, Count>; tags: Map<string, Count>; days: Map<number, Day> }

export function createPullRecorder(db: Db, now: () => number): PullRecorder {
  let repositories = new Map<number, Pulls>()
  let counts = 0

  function pullsOf(repository: number): Pulls {
    let pulls = repositories.get(repository)
    if (pulls === undefined) {
      pulls = { manifests: new Map(), tags: new Map(), days: new Map() }
      repositories.set(repository, pulls)
    }
    return pulls
  }

  function count<Key>(map: Map<Key, Count>, key: Key, at: number): void {
    const entry = map.get(key)
    if (entry !== undefined) {
      entry.n += 1
      entry.at = at
    } else if (counts < MAX_COUNTS) {
      counts += 1
      map.set(key, { n: 1, at })
    }
  }

  function countDay({ days }: Pulls, n: number, bytes: number, at: number): void {
    const day = Math.floor(at / DAY_MS)
    const entry = days.get(day)
    if (entry === undefined) days.set(day, { n, bytes })
    else {
      entry.n += n
      entry.bytes += bytes
    }
  }

  return {
    manifest(repository, digest, tag, bytes) {
      const at = now()
      const pulls = pullsOf(repository)
      count(pulls.manifests, digest, at)
      if (tag !== undefined) count(pulls.tags, tag, at)
      countDay(pulls, 1, bytes, at)
    },
    blob(repository, bytes) {
      countDay(pullsOf(repository), 0, bytes, now())
    },
    async flush() {
      if (repositories.size === 0) return
      const params = paramsOf(repositories)
      repositories = new Map()
      counts = 0
      const steps = [{ statement: COUNT_MANIFESTS }, { statement: COUNT_TAGS }, { statement: COUNT_DAYS }]
      await db.write({ steps, params, touches: [] })
    },
  }
}

function paramsOf(repositories: ReadonlyMap<number, Pulls>): Record<'manifests' | 'tags' | 'days', string> {
  const all = [...repositories]
  const rows = <Key, Value extends object>(
    of: (pulls: Pulls) => Map<Key, Value>,
    name: (key: Key) => object,
  ) =>
    JSON.stringify(
      all.flatMap(([repository, pulls]) =>
        [...of(pulls)].map(([key, value]) => ({ repository, ...name(key), ...value })),
      ),
    )
  return {
    manifests: rows(
      ({ manifests }) => manifests,
      (digest) => ({ digest: digestToStoredHex(digest) }),
    ),
    tags: rows(
      ({ tags }) => tags,
      (tag) => ({ tag }),
    ),
    days: rows(
      ({ days }) => days,
      (day) => ({ day }),
    ),
  }
}
