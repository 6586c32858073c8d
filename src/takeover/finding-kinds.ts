/** What each kind of finding means to whoever decides on a move. */
import type { FindingKind } from './found.ts'

type KindMeaning = {
  title: string
  /** Distribution has it, in some way, and Berth will not. */
  isLost: boolean
}

/** In the order in which they are told. */
export const FINDING_KINDS: Readonly<Record<FindingKind, KindMeaning>> = {
  'not-readable': { title: 'the system does not let this user read it', isLost: true },
  'invalid-name': { title: 'repositories that no client can name', isLost: true },
  schema1: { title: 'manifests in the form of before 2016', isLost: true },
  'damaged-manifest': { title: 'manifests whose bytes are damaged', isLost: true },
  'unreadable-manifest': { title: 'manifests that no registry may serve', isLost: true },
  'revision-without-data': { title: 'manifests whose bytes are gone', isLost: true },
  'empty-blob': { title: 'blobs and manifests whose file is empty', isLost: true },
  'bad-link': { title: 'link files that are damaged', isLost: true },
  'tag-without-revision': { title: 'tags that lead to no manifest', isLost: true },
  'size-differs': { title: 'blobs that are longer or shorter than a manifest says', isLost: false },
  'layer-without-link': { title: 'manifests that name what their repository does not have', isLost: false },
  'layer-without-data': { title: 'links to blobs whose bytes are gone', isLost: false },
  'unfinished-upload': { title: 'uploads that were never finished', isLost: false },
  'unknown-file': { title: 'files and digests that Berth does not know', isLost: false },
}
