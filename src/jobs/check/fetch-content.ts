/** Content from sources into the registry, by its own verbs: hashed on the way, never taken on anybody's word. */
import { openPrincipal } from '../../auth/principal.ts'
import { silentLogger } from '../../lib/logger.ts'
import { type CheckedManifest, copiesOfManifest, setManifestBytes } from '../../metadata/check-manifests.ts'
import { existingManifests } from '../../metadata/manifests.ts'
import { findLinkedBlob } from '../../metadata/blob-links.ts'
import { createPullRecorder } from '../../metadata/pulls.ts'
import { algorithmOf, type Digest, digestOf } from '../../oci/digest.ts'
import { parseManifest } from '../../oci/manifest.ts'
import type { RepositoryName } from '../../oci/reference.ts'
import { actorOf } from '../../registry/actor.ts'
import { createHostedRegistry } from '../../registry/hosted.ts'
import type { Call } from '../../registry/registry.ts'
import { LARGEST_MANIFEST, readAnswer, type Source, SourceError, type Wanted } from '../sources/source.ts'
import type { Outcome, RepairParts } from './repair.ts'
import { createSourcesInTurn, type Fetched } from './sources-in-turn.ts'

/** An index of indexes of indexes. */
const DEEPEST = 4

/** What a manifest names. */
type Named = { kind: 'config' | 'layer' | 'child'; digest: Digest; mediaType: string; size: number }

export type Fetching = {
  blob(
    repository: RepositoryName,
    wanted: Wanted,
    sources: readonly Source[],
    signal: AbortSignal,
  ): Promise<Fetched>
  manifestBytes(manifest: CheckedManifest, sources: readonly Source[], signal: AbortSignal): Promise<Outcome>
  /** What a manifest of the repository names and the repository lacks, with all that it names itself. */
  missing(
    repository: RepositoryName,
    named: Named,
    sources: readonly Source[],
    signal: AbortSignal,
  ): Promise<Outcome>
  close(): Promise<void>
}

export function createFetching(parts: RepairParts): Fetching {
  const { db, now, own, actor } = parts
  const registry = repairingRegistry(parts)
  const firstOf = createSourcesInTurn(own)
  const callOf = (signal: AbortSignal): Call => ({
    principal: { ...openPrincipal, id: actor.principalId, name: actor.principalName },
    requestId: actor.requestId,
    address: '',
    client: actor.client,
    cause: 'restore',
    signal,
    log: silentLogger,
  })

  const blob: Fetching['blob'] = (repository, wanted, sources, signal) =>
    firstOf(wanted, sources, signal, (copy) =>
      registry.putBlob(callOf(signal), repository, wanted.digest, {
        body: atMost(copy, wanted.size ?? Infinity),
      }),
    )

  async function manifest(
    repository: RepositoryName,
    { digest, mediaType }: Named,
    sources: readonly Source[],
    signal: AbortSignal,
    depth: number,
  ): Promise<Fetched> {
    return firstOf(wantedManifest(digest, mediaType, repository), sources, signal, async (copy) => {
      const bytes = await readAnswer(copy, LARGEST_MANIFEST)
      if (digestOf(algorithmOf(digest), bytes) !== digest) throw new SourceError('other bytes')
      for (const { kind, descriptor, nonDistributable } of parseManifest(mediaType, bytes, Infinity)
        .references) {
        if (nonDistributable) continue
        const { why } = await ensure(repository, { kind, ...descriptor }, sources, signal, depth - 1)
        if (why !== undefined) throw new SourceError(`it names ${descriptor.digest}, and of that ${why}`)
      }
      await registry.putManifest(callOf(signal), repository, { mediaType, bytes, tags: [] })
    })
  }

  async function ensure(
    repository: RepositoryName,
    named: Named,
    sources: readonly Source[],
    signal: AbortSignal,
    depth: number,
  ): Promise<Fetched> {
    const { kind, digest, size } = named
    if ((await findLinkedBlob(db, repository, digest)) !== undefined) return {}
    if (kind === 'child') {
      if ((await existingManifests(db, repository, [digest])).size > 0) return {}
      if (depth === 0) return { why: 'there are too many indexes in indexes' }
      return manifest(repository, named, sources, signal, depth)
    }
    await prepareAll(sources, digest, signal)
    return blob(repository, { digest, kind: 'blob', size, repositories: [repository] }, sources, signal)
  }

  return {
    blob,
    async missing(repository, named, sources, signal) {
      const { from, why } = await ensure(repository, named, sources, signal, DEEPEST)
      if (why !== undefined) return { kind: 'failed', what: why }
      return { kind: 'repaired', what: from === undefined ? 'it is here now' : `copied from ${from}` }
    },
    async manifestBytes(wrong, sources, signal) {
      const { digest, repository, mediaType } = wrong
      const put = async (bytes: Uint8Array): Promise<void> => {
        if (digestOf(algorithmOf(digest), bytes) !== digest) throw new SourceError('other bytes')
        await setManifestBytes(db, wrong, bytes, actorOf(callOf(signal), now()))
      }
      for (const bytes of await copiesOfManifest(db, digest)) {
        const refused = await put(bytes).catch((error: unknown) => error)
        if (refused === undefined) return { kind: 'repaired', what: 'copied from another repository' }
      }
      const wanted = wantedManifest(digest, mediaType, repository)
      const { from, why } = await firstOf(wanted, sources, signal, async (copy) =>
        put(await readAnswer(copy, LARGEST_MANIFEST)),
      )
      if (from === undefined) return { kind: 'failed', what: why ?? 'no source has it' }
      return { kind: 'repaired', what: `copied from ${from}` }
    },
    close: () => registry.close(),
  }
}

/** What it brings in is judged as what is there already was: no rule of the configuration keeps it out. */
function repairingRegistry({
  db,
  store,
  processId,
  boot,
  now,
}: RepairParts): ReturnType<typeof createHostedRegistry> {
  return createHostedRegistry({
    db,
    store,
    clock: { now },
    log: silentLogger,
    pulls: createPullRecorder(db, now),
    processId,
    boot,
    rules: {
      deletes: false,
      readOnly: false,
      keepMs: 0,
      maxReferences: Infinity,
      sparse: 'none',
      requiredPlatforms: 'all',
      urls: { allow: [], deny: [] },
    },
  })
}

function wantedManifest(digest: Digest, mediaType: string, repository: string): Wanted {
  return { digest, kind: 'manifest', size: undefined, mediaType, repositories: [repository] }
}

async function prepareAll(sources: readonly Source[], digest: Digest, signal: AbortSignal): Promise<void> {
  for (const source of sources) await source.prepare(new Set([digest]), signal)
}

/** A source that sends without end is cut off. */
async function* atMost(bytes: AsyncIterable<Uint8Array>, most: number): AsyncGenerator<Uint8Array> {
  let left = most
  for await (const piece of bytes) {
    left -= piece.byteLength
    if (left < 0) throw new SourceError('it sends more bytes than the blob has')
    yield piece
  }
}
