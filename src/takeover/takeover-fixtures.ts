/**
 * Folders as CNCF Distribution writes them, made file by file for tests: exact small ones, and big ones quickly. All
 * paths are written out here and not taken from the code under test.
 */
import { createHash } from 'node:crypto'
import { closeSync, mkdirSync, openSync, rmSync, utimesSync, writeFileSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Digest } from '../oci/digest.ts'

const ROOT = 'docker/registry/v2'

export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json'
export const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json'
export const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json'
export const OCI_LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip'

export type Content = string | Uint8Array
type FixtureDescriptor = { mediaType: string; digest: Digest; size: number }

export function sha256Of(content: Content): Digest {
  return `sha256:${createHash('sha256').update(content).digest('hex')}` as Digest
}

export function sha512Of(content: Content): Digest {
  return `sha512:${createHash('sha512').update(content).digest('hex')}` as Digest
}

export function describe(content: Content, mediaType: string): FixtureDescriptor {
  return { mediaType, digest: sha256Of(content), size: Buffer.byteLength(content) }
}

/** An OCI image manifest of these contents; `more` replaces and adds fields. */
export function imageOf(config: Content, layers: readonly Content[], more: object = {}): string {
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: describe(config, OCI_CONFIG),
    layers: layers.map((layer) => describe(layer, OCI_LAYER)),
    ...more,
  })
}

/** An OCI index of these manifests. */
export function indexOf(manifests: readonly Content[], more: object = {}): string {
  const children = manifests.map((manifest) => describe(manifest, OCI_MANIFEST))
  return JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: children, ...more })
}

const slashed = (digest: Digest): string => digest.replace(':', '/')

/** Writes into `root`, the data folder (Distribution's rootdirectory). Times are milliseconds; absent: now. */
export function createDistributionFolder(root: string) {
  const v2 = join(root, ROOT)
  mkdirSync(join(v2, 'blobs'), { recursive: true })
  mkdirSync(join(v2, 'repositories'), { recursive: true })

  /** @param path below `docker/registry/v2` */
  function write(path: string, content: Content, at?: number): string {
    const file = join(v2, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, content)
    if (at !== undefined) utimesSync(file, at / 1000, at / 1000)
    return file
  }
  const blobFile = (digest: Digest): string =>
    `blobs/${digest.split(':')[0]}/${digest.slice(7, 9)}/${digest.slice(7)}/data`
  const blob = (content: Content, at?: number): Digest => {
    const digest = sha256Of(content)
    write(blobFile(digest), content, at)
    return digest
  }
  return {
    root,
    v2,
    write,
    /** Bytes alone; returns their sha256. */
    blob,
    /** Below `docker/registry/v2`. */
    blobFile,
    remove: (path: string) => rmSync(join(v2, path), { recursive: true, force: true }),
    /** A blob in a repository. */
    layer(name: string, content: Content, at?: number): Digest {
      const digest = blob(content, at)
      write(`repositories/${name}/_layers/${slashed(digest)}/link`, digest, at)
      return digest
    },
    /** A blob pushed by its sha512: stored as sha256, linked under both; both links hold the sha256. */
    layer512(name: string, content: Content, at?: number): Digest {
      const digest = blob(content, at)
      const long = sha512Of(content)
      for (const linked of [digest, long]) {
        write(`repositories/${name}/_layers/${slashed(linked)}/link`, digest, at)
      }
      return long
    },
    /** A manifest in a repository, without a tag. */
    manifest(name: string, content: Content, at?: number): Digest {
      const digest = blob(content, at)
      write(`repositories/${name}/_manifests/revisions/${slashed(digest)}/link`, digest, at)
      return digest
    },
    /** Points a tag to a digest, as a push does: the index first, then current. */
    tag(name: string, tag: string, digest: Digest, at?: number): void {
      const folder = `repositories/${name}/_manifests/tags/${tag}`
      write(`${folder}/index/${slashed(digest)}/link`, digest, at)
      write(`${folder}/current/link`, digest, at)
    },
    /** An unfinished upload. */
    upload(name: string, id: string, content: Content, startedAt: string): void {
      write(`repositories/${name}/_uploads/${id}/startedat`, startedAt)
      write(`repositories/${name}/_uploads/${id}/data`, content)
      write(`repositories/${name}/_uploads/${id}/hashstates/sha256/0`, 'state')
    },
    /** A whole image: blobs, manifest, tag. Returns the manifest's digest. */
    image(name: string, tag: string, config: Content, layers: readonly Content[], at?: number): Digest {
      for (const content of [config, ...layers]) this.layer(name, content, at)
      const digest = this.manifest(name, imageOf(config, layers), at)
      this.tag(name, tag, digest, at)
      return digest
    },
  }
}

export type DistributionFolder = ReturnType<typeof createDistributionFolder>

/** As a user whom the system refuses: root may read everything. For tests that do one thing at a time. */
export async function asAnybody(work: () => Promise<void> | void): Promise<void> {
  if (process.geteuid?.() !== 0) return work()
  process.seteuid?.(65534)
  try {
    await work()
  } finally {
    process.seteuid?.(0)
  }
}

type BigFolder = {
  repositories: number
  /** In each repository; each tag has a manifest of its own. */
  tags: number
  /** Blobs in each repository, configs included; a half of them is shared by all. */
  blobs: number
  /** All tags of a repository have had this many manifests before, those of its other tags. Default 0. */
  history?: number
}

/** `team-03/app-0042`: repositories are in folders of a hundred, and byte order is the order of numbers. */
export function bigName(index: number): string {
  const number = String(index).padStart(5, '0')
  return `team-${number.slice(0, -2)}/app-${number.slice(-2)}`
}

/** Fills a new data folder. @returns how many link files and blobs were written */
export function writeBigFolder(
  root: string,
  { repositories, tags, blobs, history = 0 }: BigFolder,
): { links: number; blobs: number } {
  const v2 = join(root, ROOT)
  const written = { links: 0, blobs: 0 }
  makeFolder(`${v2}/blobs/sha256`)
  for (let two = 0; two < 256; two++) makeFolder(`${v2}/blobs/sha256/${two.toString(16).padStart(2, '0')}`)
  const writeBlob = (content: string): Digest => {
    const digest = sha256Of(content)
    const hex = digest.slice(7)
    const folder = `${v2}/blobs/sha256/${hex.slice(0, 2)}/${hex}`
    mkdirSync(folder)
    writeFile(`${folder}/data`, content)
    written.blobs++
    return digest
  }
  const link = (folder: string, digest: Digest): void => {
    mkdirSync(folder)
    writeFile(`${folder}/link`, digest)
    written.links++
  }
  const shared = Array.from({ length: Math.floor(blobs / 2) }, (_, index) => `shared blob ${index}`)
  shared.forEach(writeBlob)
  for (let index = 0; index < repositories; index++) {
    const folder = `${v2}/repositories/${bigName(index)}`
    const own = Array.from({ length: blobs - shared.length }, (_, n) => `blob ${n} of repository ${index}`)
    own.forEach(writeBlob)
    const contents = [...own, ...shared]
    const layers = `${folder}/_layers/sha256`
    makeFolder(layers)
    for (const content of contents) link(`${layers}/${sha256Of(content).slice(7)}`, sha256Of(content))
    const revisions = `${folder}/_manifests/revisions/sha256`
    makeFolder(revisions)
    const manifests = Array.from({ length: tags }, (_, number) => {
      const [config = '', ...rest] = contents
      const digest = writeBlob(imageOf(config, rest, { annotations: { number: `${index}-${number}` } }))
      link(`${revisions}/${digest.slice(7)}`, digest)
      return digest
    })
    const tagFolder = `${folder}/_manifests/tags`
    mkdirSync(tagFolder)
    manifests.forEach((digest, number) => {
      const one = `${tagFolder}/v${number}`
      makeFolder(`${one}/index/sha256`)
      for (let back = Math.min(history, manifests.length - 1); back >= 0; back--) {
        const old = manifests[(number + back) % manifests.length] as Digest
        link(`${one}/index/sha256/${old.slice(7)}`, old)
      }
      link(`${one}/current`, digest)
    })
  }
  return written
}

function makeFolder(path: string): void {
  mkdirSync(path, { recursive: true })
}

function writeFile(path: string, content: string): void {
  const file = openSync(path, 'wx')
  try {
    writeSync(file, content)
  } finally {
    closeSync(file)
  }
}
