/** Pull counts: kept in memory by whoever serves, added to the rows once a minute. A pull itself writes nothing. */
import { type Digest, digestToStoredHex } from '../oci/digest.ts'
import type { Db, Statement } from './database.ts'

const DAY_MS = 86_400_000
/** Different manifests and tags remembered between two flushes; beyond it, new ones are only counted per repository. */
const MAX_KEYS = 50_000

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

type ManifestPulls = { repository: number; digest: Digest; n: number; at: number }
type TagPulls = { repository: number; tag: string; n: number; at: number }
type DayPulls = { repository: number; day: number; n: number; bytes: number }

export function createPullRecorder(db: Db, now: () => number): PullRecorder {
  let manifests = new Map<string, ManifestPulls>()
  let tags = new Map<string, TagPulls>()
  let days = new Map<string, DayPulls>()

  function countDay(repository: number, n: number, bytes: number, at: number): void {
    const day = Math.floor(at / DAY_MS)
    const key = `${repository}/${day}`
    const entry = days.get(key)
    if (entry === undefined) days.set(key, { repository, day, n, bytes })
    else {
      entry.n += n
      entry.bytes += bytes
    }
  }

  function count<T extends { n: number; at: number }>(
    map: Map<string, T>,
    key: string,
    at: number,
    fresh: () => T,
  ): void {
    const entry = map.get(key)
    if (entry !== undefined) {
      entry.n++
      entry.at = at
    } else if (map.size < MAX_KEYS) map.set(key, fresh())
  }

  return {
    manifest(repository, digest, tag, bytes) {
      const at = now()
      count(manifests, `${repository}@${digest}`, at, () => ({ repository, digest, n: 1, at }))
      if (tag !== undefined) count(tags, `${repository}:${tag}`, at, () => ({ repository, tag, n: 1, at }))
      countDay(repository, 1, bytes, at)
    },
    blob(repository, bytes) {
      countDay(repository, 0, bytes, now())
    },
    async flush() {
      if (manifests.size === 0 && days.size === 0) return
      const params = {
        manifests: JSON.stringify(
          [...manifests.values()].map((entry) => ({ ...entry, digest: digestToStoredHex(entry.digest) })),
        ),
        tags: JSON.stringify([...tags.values()]),
        days: JSON.stringify([...days.values()]),
      }
      manifests = new Map()
      tags = new Map()
      days = new Map()
      const steps = [{ statement: COUNT_MANIFESTS }, { statement: COUNT_TAGS }, { statement: COUNT_DAYS }]
      await db.write({ steps, params, touches: [] })
    },
  }
}
