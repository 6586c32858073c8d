/**
 * Mends what a check found, a problem at a time. Bytes come in by the same verbs as a push, so that a push, a delete
 * or a collection beside it is met by the same transactions; a blob that nobody has is refused from then on, and heals
 * by the next push. Nothing is removed here: what needs no room is given to the collector, which looks again.
 */
import type { BlobStore } from '../../blobs/blob-store.ts'
import type { Actor } from '../../metadata/actor.ts'
import { markDamaged } from '../../metadata/blob-links.ts'
import { repositoriesWithBlob } from '../../metadata/check-affected.ts'
import { type CheckedBlob, findCheckedBlob, unmarkDamaged } from '../../metadata/check-blobs.ts'
import { fixCounts } from '../../metadata/check-counts.ts'
import { requeue, type UnnamedObject, unnamedToGarbage } from '../../metadata/check-leftovers.ts'
import type { Db } from '../../metadata/database.ts'
import { type Digest } from '../../oci/digest.ts'
import type { RepositoryName } from '../../oci/reference.ts'
import type { Source } from '../sources/source.ts'
import { type Fetching, createFetching } from './fetch-content.ts'
import type { BlobDamage, Problem } from './problem.ts'

export type Outcome = {
  /** set-aside: not served any more, until it is pushed. left: nothing was tried. */
  kind: 'repaired' | 'set-aside' | 'failed' | 'left'
  /** How, or why not. */
  what: string
}

/** Where a blob may have been pushed to is asked for in so many repositories. */
const MOST_REPOSITORIES = 20
const left: Outcome = { kind: 'left', what: 'this cannot be repaired by itself' }

/** After one of these, that no row names something may only mean that the row is lost: then nothing is given up. */
const ROWS_ARE_WRONG: ReadonlySet<Problem['kind']> = new Set([
  'database',
  'manifest-bytes',
  'missing-blob',
  'missing-child',
  'no-object',
  'references-differ',
])
const mistrusted: Outcome = {
  kind: 'left',
  what: 'other rows are damaged, and it may be needed after all: check again when they are repaired',
}

export type Repairer = {
  /** @returns an outcome for each */
  repair(problems: readonly Problem[], signal: AbortSignal): Promise<Outcome[]>
  close(): Promise<void>
}

export type RepairParts = {
  db: Db
  store: BlobStore
  processId: string
  boot: string
  now: () => number
  /** Who repairs, for the history. */
  actor: Omit<Actor, 'now' | 'cause'>
  /** Asked one after the other. */
  sources: readonly Source[]
  /** The data folder itself: a second copy of a blob may lie in it. */
  own: Source
}

export function createRepairer(parts: RepairParts): Repairer {
  const { db, now, sources, own } = parts
  const fetching = createFetching(parts)
  let isTrusted = true

  async function giveUp({ object }: { object: UnnamedObject }): Promise<Outcome> {
    const done = await unnamedToGarbage(db, object, now())
    return done ? { kind: 'repaired', what: 'given to the collector' } : gone
  }

  async function one(problem: Problem, signal: AbortSignal): Promise<Outcome> {
    switch (problem.kind) {
      case 'missing':
      case 'wrong-size':
      case 'wrong-bytes':
      case 'unreadable':
      case 'no-object':
        return mendBlob(db, fetching, [own, ...sources], problem, now(), signal)
      case 'recovered': {
        const done = await unmarkDamaged(db, problem.blob, now())
        return done ? { kind: 'repaired', what: 'it is served again' } : gone
      }
      case 'manifest-bytes':
        return fetching.manifestBytes(problem.manifest, [own, ...sources], signal)
      case 'missing-blob':
      case 'missing-child': {
        const { manifest, reference } = problem
        if (sources.length === 0) return { ...left, what: 'no --from was given to fetch it from' }
        return fetching.missing(manifest.repository, reference, sources, signal)
      }
      case 'counts-differ':
        await fixCounts(db, problem.counted)
        return { kind: 'repaired', what: 'counted again' }
      case 'abandoned-upload':
        return giveUp(problem)
      case 'unnamed-object':
        return isTrusted ? giveUp(problem) : mistrusted
      case 'not-collected':
        if (!isTrusted) return mistrusted
        await requeue(db, problem.overdue, now())
        return { kind: 'repaired', what: 'the collector looks at it' }
      case 'database':
      case 'references-differ':
      case 'deleted-blob':
      case 'size-differs':
      case 'tag-without-manifest':
      case 'unfinished-file':
      case 'second-copy':
      case 'unknown-blob':
      case 'left-by-distribution':
        return left
    }
  }

  return {
    async repair(problems, signal) {
      const wanted = new Set(problems.flatMap(digestsOf))
      if (wanted.size > 0) for (const source of [own, ...sources]) await source.prepare(wanted, signal)
      const outcomes: Outcome[] = []
      for (const problem of problems) {
        signal.throwIfAborted()
        if (ROWS_ARE_WRONG.has(problem.kind)) isTrusted = false
        outcomes.push(await one(problem, signal))
      }
      return outcomes
    },
    close: () => fetching.close(),
  }
}

const gone: Outcome = { kind: 'repaired', what: 'it has changed meanwhile' }

function digestsOf(problem: Problem): Digest[] {
  if ('blob' in problem) return [problem.blob.digest]
  if ('reference' in problem) return [problem.reference.digest]
  return problem.kind === 'manifest-bytes' ? [problem.manifest.digest] : []
}

async function mendBlob(
  db: Db,
  fetching: Fetching,
  sources: readonly Source[],
  { kind, blob }: { kind: BlobDamage; blob: CheckedBlob },
  now: number,
  signal: AbortSignal,
): Promise<Outcome> {
  // A file that the system does not let us read may be as good as ever.
  if (kind === 'unreadable' && sources.length < 2)
    return { ...left, what: 'its file may be whole: nothing was changed' }
  await markDamaged(db, blob.digest, blob.object, now)
  const repositories = await repositoriesWithBlob(db, blob.digest, MOST_REPOSITORIES)
  const [repository] = repositories
  if (repository === undefined) return { kind: 'set-aside', what: 'no repository serves it' }
  const wanted = { digest: blob.digest, kind: 'blob', size: blob.size, repositories } as const
  const fetched = await fetching.blob(repository as RepositoryName, wanted, sources, signal)
  const healed = await findCheckedBlob(db, blob.digest)
  if (healed !== undefined && healed.damagedAt === undefined) {
    const how = fetched.from ?? 'somebody pushed it'
    return { kind: 'repaired', what: fetched.from === undefined ? how : `copied from ${how}` }
  }
  const why = sources.length < 2 ? 'or fetched with --from SOURCE' : (fetched.why ?? 'no source has it')
  return { kind: 'set-aside', what: `not served until it is pushed again (${why})` }
}
