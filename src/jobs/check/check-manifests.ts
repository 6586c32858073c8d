/** Manifests against their digests, and what they name against what is here: what a pull would miss. */
import {
  checkedReferences,
  type CheckedManifest,
  type CheckedReference,
  findCheckedManifest,
  manifestsInOrder,
  tagsWithoutManifest,
} from '../../metadata/check-manifests.ts'
import type { Db } from '../../metadata/database.ts'
import { isNonDistributable } from '../../oci/descriptor.ts'
import { algorithmOf, digestOf } from '../../oci/digest.ts'
import { RegistryError } from '../../oci/error.ts'
import { type ParsedManifest, parseManifest } from '../../oci/manifest.ts'
import { mustBeHere } from '../../registry/hosted-manifests.ts'
import type { HostedRules } from '../../registry/hosted-parts.ts'
import type { Problem } from './problem.ts'

/** What the configuration allows manifests to name that is not here. */
export type SparseRules = Pick<HostedRules, 'sparse' | 'requiredPlatforms'>

export async function* checkManifests(
  db: Db,
  rules: SparseRules,
  { repositoryId, onDone }: { repositoryId?: number | undefined; onDone(manifest: CheckedManifest): void },
  signal: AbortSignal,
): AsyncGenerator<Problem> {
  for await (const page of manifestsInOrder(db, repositoryId)) {
    for (const manifest of page) {
      signal.throwIfAborted()
      yield* await checkManifest(db, rules, manifest)
      onDone(manifest)
    }
  }
}

/** Looked at twice where something seems wrong: it may have been deleted, or its blobs pushed, meanwhile. */
async function checkManifest(db: Db, rules: SparseRules, manifest: CheckedManifest): Promise<Problem[]> {
  const first = await problemsOf(db, rules, manifest)
  if (first.length === 0) return first
  const again = await findCheckedManifest(db, manifest.repositoryId, manifest.digest)
  if (again === undefined) return []
  const second = await problemsOf(db, rules, again)
  const isThere = (await findCheckedManifest(db, manifest.repositoryId, manifest.digest)) !== undefined
  return isThere ? second : []
}

async function problemsOf(db: Db, rules: SparseRules, manifest: CheckedManifest): Promise<Problem[]> {
  const { repositoryId, digest, bytes } = manifest
  if (digestOf(algorithmOf(digest), bytes) !== digest) return [{ kind: 'manifest-bytes', manifest }]
  const parsed = parse(manifest)
  const references = await checkedReferences(db, repositoryId, digest)
  if (parsed !== undefined && !areSame(parsed, references)) return [{ kind: 'references-differ', manifest }]
  const problems: Problem[] = []
  const seen = new Set<string>()
  for (const reference of references) {
    if (seen.has(reference.digest)) continue
    seen.add(reference.digest)
    const kind = damageOf(reference, parsed, rules)
    if (kind !== undefined) problems.push({ kind, manifest, reference })
  }
  return problems
}

/** Undefined: it is here though it would not be accepted today, e.g. taken over. */
function parse({ mediaType, bytes }: CheckedManifest): ParsedManifest | undefined {
  try {
    return parseManifest(mediaType, bytes, Infinity)
  } catch (error) {
    if (error instanceof RegistryError) return undefined
    throw error
  }
}

function areSame(parsed: ParsedManifest, references: readonly CheckedReference[]): boolean {
  return (
    parsed.references.length === references.length &&
    parsed.references.every(({ kind, descriptor }, position) => {
      const row = references[position]
      return row?.position === position && row.digest === descriptor.digest && row.kind === kind
    })
  )
}

function damageOf(
  reference: CheckedReference,
  parsed: ParsedManifest | undefined,
  rules: SparseRules,
): 'missing-blob' | 'missing-child' | 'deleted-blob' | 'size-differs' | undefined {
  const stored = (reference.kind === 'child' ? reference.childSize : undefined) ?? reference.blobSize
  if (stored !== undefined) return stored === reference.size ? undefined : 'size-differs'
  const named = parsed?.references[reference.position]
  if (parsed === undefined || named === undefined) {
    if (rules.sparse === 'all' || isNonDistributable(reference.mediaType)) return undefined
  } else if (!mustBeHere(named, parsed, rules)) return undefined
  if (reference.kind === 'child') return 'missing-child'
  return reference.isUnlinked ? 'deleted-blob' : 'missing-blob'
}

export async function* checkTags(
  db: Db,
  repositoryId: number | undefined,
  signal: AbortSignal,
): AsyncGenerator<Problem> {
  for await (const tag of tagsWithoutManifest(db, repositoryId)) {
    signal.throwIfAborted()
    yield { kind: 'tag-without-manifest', tag }
  }
}
