/** Tells what a check found: as text, a few lines a problem; or as one JSON document, written as it grows. */
import { KINDS, type Problem, type Severity } from '../jobs/check/problem.ts'
import type { CheckProgress } from '../jobs/check/check-data.ts'
import type { Outcome } from '../jobs/check/repair.ts'
import { type Affected, affectedByBlob, affectedByManifest } from '../metadata/check-affected.ts'
import type { Db } from '../metadata/database.ts'
import type { Io } from './command.ts'
import { bytesText } from './quantities.ts'

export type CheckReport = {
  /** @param outcome absent: nothing was tried */
  problem(problem: Problem, outcome: Outcome | undefined): Promise<void>
  /** Broken or untidy, and not repaired. */
  unsolved(): number
  end(
    progress: CheckProgress,
    extra: { removed?: { files: number; bytes: number }; interrupted: boolean },
  ): void
}

/** Images named for one problem. */
const MOST_TOLD = 10

export function createCheckReport(db: Db, io: Io, isJson: boolean): CheckReport {
  const counts: Record<Severity, number> = { broken: 0, untidy: 0, note: 0 }
  let repaired = 0
  let unsolved = 0
  let told = 0
  return {
    async problem(problem, outcome) {
      const { severity } = KINDS[problem.kind]
      counts[severity]++
      if (outcome?.kind === 'repaired') repaired++
      else if (severity !== 'note') unsolved++
      const affected = await affectedBy(db, problem)
      if (isJson) {
        io.stdout.write(
          `${told === 0 ? '{"problems":[' : ','}\n${JSON.stringify(jsonOf(problem, affected, outcome))}`,
        )
      } else io.stdout.write(textOf(problem, affected, outcome))
      told++
    },
    unsolved: () => unsolved,
    end(progress, { removed, interrupted }) {
      const { blobs, bytes, hashedBlobs, hashedBytes, manifests, files } = progress
      if (isJson) {
        const summary = {
          ...{ interrupted, blobs, bytes, hashedBlobs, hashedBytes, manifests, files },
          ...{ ...counts, repaired, unsolved, removed: removed ?? { files: 0, bytes: 0 } },
        }
        io.stdout.write(`${told === 0 ? '{"problems":[' : '\n'}],"summary":${JSON.stringify(summary)}}\n`)
        return
      }
      const hashed = hashedBlobs === 0 ? '' : `, ${hashedBlobs} of them hashed (${bytesText(hashedBytes)})`
      io.stdout.write(`checked ${blobs} blobs (${bytesText(bytes)})${hashed} and ${manifests} manifests\n`)
      if (files.exported > 0)
        io.stdout.write(
          `${files.exported} files of an export for CNCF Distribution share Berth's own bytes\n`,
        )
      if (removed !== undefined)
        io.stdout.write(`removed ${removed.files} files that no row knew (${bytesText(removed.bytes)})\n`)
      const found = counts.broken + counts.untidy
      if (found === 0) io.stdout.write(interrupted ? '' : 'all is well\n')
      else io.stdout.write(`${counts.broken} broken, ${counts.untidy} untidy; ${repaired} repaired\n`)
    },
  }
}

async function affectedBy(db: Db, problem: Problem): Promise<Affected[]> {
  if ('blob' in problem) return affectedByBlob(db, problem.blob.digest)
  if ('manifest' in problem)
    return affectedByManifest(db, problem.manifest.repositoryId, problem.manifest.digest)
  return []
}

/** What it is about, in a few words. */
function subjectOf(problem: Problem): string {
  if ('blob' in problem) {
    const { digest, size, object, path } = problem.blob
    return `blob ${digest}, ${bytesText(size)}, in ${path ?? `berth/objects/${object.slice(0, 2)}/${object}…`}`
  }
  if ('reference' in problem) {
    const { manifest, reference } = problem
    return `${reference.digest} (${reference.kind}), named by ${manifest.repository}@${manifest.digest}`
  }
  if ('manifest' in problem) return `${problem.manifest.repository}@${problem.manifest.digest}`
  if ('tag' in problem) return `${problem.tag.repository}:${problem.tag.tag}`
  if ('counted' in problem) return `repository ${problem.counted.name}`
  if ('object' in problem) return `object ${problem.object.id}, ${bytesText(problem.object.size ?? 0)}`
  if ('overdue' in problem) return `${problem.overdue.kind} ${problem.overdue.digest}`
  if ('file' in problem) {
    const { object, size, modifiedAt } = problem.file
    const name = object.path ?? `berth/objects/${object.id.slice(0, 2)}/${object.id}…`
    return `${name}, ${bytesText(size)}, of ${new Date(modifiedAt).toISOString().slice(0, 10)}`
  }
  return problem.detail
}

function textOf(problem: Problem, affected: readonly Affected[], outcome: Outcome | undefined): string {
  const { severity, means, advice } = KINDS[problem.kind]
  const detail = 'detail' in problem && problem.kind !== 'database' ? `: ${problem.detail}` : ''
  const lines = [`${severity}: ${means}${detail}`, `  ${subjectOf(problem)}`]
  const images = affected.slice(0, MOST_TOLD).map(imageText)
  if (affected.length > MOST_TOLD) images.push('and more')
  if (images.length > 0) lines.push(`  affects: ${images.join(', ')}`)
  if (outcome !== undefined && outcome.kind !== 'left') lines.push(`  ${outcome.kind}: ${outcome.what}`)
  if (outcome === undefined || outcome.kind === 'left' || outcome.kind === 'failed')
    lines.push(`  to do: ${advice}`)
  return `${lines.join('\n')}\n`
}

function imageText({ repository, manifest, tag }: Affected): string {
  if (tag !== undefined) return `${repository}:${tag}`
  return manifest === undefined ? `${repository} (no manifest names it)` : `${repository}@${manifest}`
}

function jsonOf(problem: Problem, affected: readonly Affected[], outcome: Outcome | undefined): object {
  const { severity, means, advice } = KINDS[problem.kind]
  return {
    kind: problem.kind,
    severity,
    means,
    subject: subjectOf(problem),
    ...('detail' in problem && { detail: problem.detail }),
    ...('blob' in problem && { digest: problem.blob.digest }),
    ...('manifest' in problem && {
      repository: problem.manifest.repository,
      manifest: problem.manifest.digest,
    }),
    ...('reference' in problem && { digest: problem.reference.digest }),
    ...('file' in problem && {
      file: problem.file.object.path ?? problem.file.object.id,
      bytes: problem.file.size,
    }),
    affected,
    advice,
    ...(outcome !== undefined && { outcome }),
  }
}
