/** Bad requests, as they go over the wire. */
import { createHash } from 'node:crypto'

export type Case = {
  /** What is wrong with it. */
  is: string
  /** `METHOD target`; `{upload}` is an upload that was begun for this case. Bytes are latin1. */
  line: string
  /** `Name: value`; Host, Connection and Content-Length are added where they are not given. */
  headers?: readonly string[]
  body?: string | Uint8Array
  /** Everything after the request's first line and the added headers, instead of `headers` and `body`. */
  raw?: string
  /** `line` is the whole first line. */
  whole?: true
  /** Bytes the upload has received already. */
  received?: number
  /** Statuses that are right. */
  status: readonly number[]
  /** Error codes that are right, where the answer is an error. */
  code?: readonly string[]
  /** HTTP itself is broken: the connection may also just be closed. */
  mayClose?: true
}

export const sha256 = (text: string | Uint8Array): string =>
  `sha256:${createHash('sha256').update(text).digest('hex')}`
export const sha512 = (text: string | Uint8Array): string =>
  `sha512:${createHash('sha512').update(text).digest('hex')}`

/** The repository that the cases are about: it has this blob, and an image over it under this tag. */
export const REPOSITORY = 'r'
export const TAG = 'v1'
export const BLOB = '{"architecture":"amd64","os":"linux"}'
export const TYPE = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
}
export const CONFIG = { mediaType: TYPE.config, digest: sha256(BLOB), size: BLOB.length }
export const IMAGE = JSON.stringify({
  schemaVersion: 2,
  mediaType: TYPE.manifest,
  config: CONFIG,
  layers: [{ ...CONFIG, mediaType: TYPE.layer }],
})
export const ABSENT = `sha256:${'0'.repeat(64)}`
export const IS_MANIFEST = `Content-Type: ${TYPE.manifest}`

/** Raw bytes that are no ASCII are refused before anything of a target is looked at: UNSUPPORTED. */
// oxlint-disable-next-line no-control-regex
export const isAscii = (text: string): boolean => /^[\u0000-\u007f]*$/.test(text)
