/** What the log tells of a takeover: its start, how far it is every few seconds, what holds it up, its end. */
import type { Logger } from '../lib/logger.ts'
import type { Db } from '../metadata/database.ts'
import { listFindings } from '../metadata/takeover.ts'
import type { Finding } from './found.ts'
import type { Counts } from './folder-messages.ts'

export type WalkReport = {
  begin(all: number, walked: number): void
  /** @param counts undefined: it was here already */
  repository(name: string, counts: Counts | undefined): void
  failed(name: string, why: string): void
  /** What the look after the walk found. */
  looked(fresh: readonly string[], changed: readonly string[], refused: readonly Finding[]): void
  complete(db: Db): Promise<void>
}

const EVERY_MS = 10_000
/** Failures that are told one by one. */
const TOLD = 20
const EXAMPLES = 3

export function createWalkReport({ log }: { log: Logger }): WalkReport {
  const sum: Counts = { blobs: 0, manifests: 0, tags: 0, links: 0, findings: 0 }
  const told = new Set<string>()
  let started = 0
  let all = 0
  let walked = 0
  let first = 0
  let nextLine = 0
  let begun = false

  function progress(): void {
    const now = performance.now()
    if (now < nextLine) return
    nextLine = now + EVERY_MS
    const rate = ((walked - first) * 1000) / (now - started)
    const left = rate > 0 ? Math.max(0, all - walked) / rate : undefined
    log.info(
      `takeover: ${walked} of ${all} repositories, ${rate.toFixed(rate < 10 ? 1 : 0)} a second` +
        (left === undefined ? '' : `, about ${seconds(left)} left`),
    )
  }

  return {
    begin(total, done) {
      all = total
      walked = done
      if (begun) return
      begun = true
      first = done
      started = performance.now()
      nextLine = started + EVERY_MS
      log.info(
        `taking over ${total} repositories that CNCF Distribution left in this folder` +
          (done === 0 ? '' : ` (${done} were done before)`) +
          ': all are served from now on, what nobody asks for is read in the background. ' +
          'Nothing is collected and none of their files removed until that is done',
      )
    },
    repository(_name, counts) {
      if (counts !== undefined)
        for (const key of Object.keys(sum) as (keyof Counts)[]) sum[key] += counts[key]
      walked++
      progress()
    },
    failed(name, why) {
      if (told.has(name) || told.size >= TOLD) return
      told.add(name)
      log.error('a repository cannot be taken over; it is tried again', { repository: name, why })
    },
    looked(fresh, changed, refused) {
      if (fresh.length + changed.length > 0) {
        log.warn(
          `the takeover is not complete: ${fresh.length} repositories are new and ${changed.length} changed since they were ` +
            'read. Does a Distribution still run on this folder, or is it still being copied? Stop that; what it wrote is ' +
            'taken over, and looked at again in a minute',
          { examples: [...fresh, ...changed].slice(0, EXAMPLES) },
        )
      }
      for (const { detail } of refused.slice(0, EXAMPLES)) {
        log.error('the takeover cannot be completed: something in the folder cannot be read', { why: detail })
      }
    },
    async complete(db) {
      const kinds = await countFindings(db)
      const took = seconds((performance.now() - started) / 1000)
      log.info(
        `takeover complete: ${all} repositories. This process read ${sum.tags} tags, ${sum.manifests} manifests and ` +
          `${sum.blobs} links to blobs of them in ${took}. CNCF Distribution must not write to this folder any more`,
      )
      if (kinds.size === 0) return
      const list = [...kinds].map(([kind, count]) => `${count} ${kind}`).join(', ')
      log.warn(
        `what could not be taken over as it was: ${list}. "berth import --check" on the folder tells each, and what to do`,
      )
    },
  }
}

async function countFindings(db: Db): Promise<Map<string, number>> {
  const kinds = new Map<string, number>()
  for (let after = 0; ;) {
    const page = await listFindings(db, after, 1000)
    for (const { kind } of page) kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
    const last = page.at(-1)
    if (last === undefined) return kinds
    after = last.id
  }
}

function seconds(count: number): string {
  if (count < 100) return `${Math.ceil(count)} s`
  return count < 6000 ? `${Math.ceil(count / 60)} min` : `${(count / 3600).toFixed(1)} h`
}
