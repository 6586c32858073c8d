/** The tags of a repository: what they point to, and what they pointed to before. */
import type { Digest } from '../oci/digest.ts'
import { isTag, type Tag } from '../oci/reference.ts'
import type { FoundBatch, FoundManifest, FoundTag } from './found.ts'
import { LINK, MANIFESTS, parseLinkText } from './layout.ts'
import { readLinkFile } from './read-link.ts'
import { readManifest } from './read-manifests.ts'
import {
  BATCH_ITEMS,
  digestFolders,
  isFolder,
  listNames,
  type Reading,
  statFile,
  tellUnknown,
} from './repository-reading.ts'

const TAGS = `${MANIFESTS}/tags`

type Current = { tag: Tag; digest: Digest; at: number }

export function* readTags(reading: Reading): Generator<FoundBatch> {
  const currents = listNames(reading, TAGS).flatMap((name) => currentOf(reading, name))
  yield* readFromLayers(reading, currents)
  let tags: FoundTag[] = []
  for (const current of currents) {
    const tag = tagOf(reading, current)
    if (tag !== undefined) tags.push(tag)
    if (tags.length < BATCH_ITEMS && !reading.isFull()) continue
    yield reading.batch({ tags })
    tags = []
  }
  if (tags.length > 0) yield reading.batch({ tags })
}

function currentOf(reading: Reading, name: string): Current[] {
  const folder = `${TAGS}/${name}`
  if (!isTag(name)) {
    tellUnknown(reading, folder, 'a name that no tag has')
    return []
  }
  const link = readLinkFile(`${reading.folder}/${folder}/current/${LINK}`)
  switch (link.kind) {
    case 'absent':
      if (isFolder(`${reading.folder}/${folder}`))
        tellDangling(reading, name, 'points to nothing: a write that was cut off')
      else tellUnknown(reading, folder)
      return []
    case 'refused':
      reading.find('not-readable', `${folder}/current/${LINK} ${link.why}`)
      return []
    case 'bad':
      reading.find('bad-link', `${folder}/current/${LINK} ${link.why}. ${lastOf(reading, name)}`)
      return []
    case 'link':
      break
  }
  const digest = parseLinkText(link.text)
  if (digest !== undefined) return [{ tag: name, digest, at: link.at }]
  const held = JSON.stringify(link.text.slice(0, 80))
  reading.find(
    'bad-link',
    `${folder}/current/${LINK} holds ${held}, which is no digest. ${lastOf(reading, name)}`,
  )
  return []
}

/** Distribution 2.1 linked manifests among the layers, and all of 2.x serve them from there. */
function* readFromLayers(reading: Reading, currents: readonly Current[]): Generator<FoundBatch> {
  for (const { digest, at } of currents) {
    const isKnown = reading.manifests.has(digest) || reading.refused.has(digest)
    if (isKnown || reading.layers.get(digest) === undefined) continue
    const manifest: FoundManifest | undefined = readManifest(reading, digest, { stored: digest, at })
    if (manifest !== undefined) yield reading.batch({ manifests: [manifest] })
  }
}

function tagOf(reading: Reading, { tag, digest, at }: Current): FoundTag | undefined {
  if (reading.manifests.has(digest)) {
    return { name: tag, digest, movedAt: at, history: historyOf(reading, tag, digest) }
  }
  const kind = reading.refused.get(digest)
  const why =
    kind === undefined
      ? 'is not in this repository'
      : `cannot be taken over (${kind.replaceAll('-', ' ')}, see there)`
  tellDangling(reading, tag, `points to ${digest}, which ${why}`, digest)
  return undefined
}

function tellDangling(reading: Reading, tag: Tag, why: string, except?: Digest): void {
  const known = 'Distribution lists the tag and answers 404; here it is not listed'
  reading.find('tag-without-revision', `tag ${tag} ${why}. ${known}. ${lastOf(reading, tag, except)}`)
}

/** What to do about a tag that leads nowhere. */
function lastOf(reading: Reading, tag: Tag, except?: Digest): string {
  const last = historyOf(reading, tag, except).findLast(({ digest }) => reading.manifests.has(digest))
  if (last === undefined) return 'Push it again, or forget it'
  return `Push it again; what it was before is here: ${last.digest}`
}

function historyOf(reading: Reading, tag: Tag, except?: Digest): { digest: Digest; at: number }[] {
  const folder = `${TAGS}/${tag}/index`
  const history: { digest: Digest; at: number }[] = []
  for (const digest of digestFolders(reading, folder)) {
    if (digest === except) continue
    const path = `${folder}/${digest.replace(':', '/')}/${LINK}`
    const stats = statFile(reading, `${reading.folder}/${path}`, path)
    if (typeof stats !== 'string' && stats.isFile()) history.push({ digest, at: Math.floor(stats.mtimeMs) })
  }
  return history.sort((one, two) => one.at - two.at || (one.digest < two.digest ? -1 : 1))
}
