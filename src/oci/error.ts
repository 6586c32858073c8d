/**
 * The errors of the protocol (distribution-spec, "Error Codes", and the codes that
 * CNCF Distribution adds): code → HTTP status → what it means.
 */
export const ERROR_CODES = {
  BLOB_UNKNOWN: [404, 'blob unknown to this repository'],
  BLOB_UPLOAD_INVALID: [400, 'blob upload invalid'],
  BLOB_UPLOAD_UNKNOWN: [404, 'blob upload unknown to this repository'],
  DENIED: [403, 'requested access to the resource is denied'],
  DIGEST_INVALID: [400, 'provided digest did not match uploaded content'],
  MANIFEST_BLOB_UNKNOWN: [400, 'manifest names blobs or manifests that are not in this repository'],
  MANIFEST_INVALID: [400, 'manifest invalid'],
  MANIFEST_UNKNOWN: [404, 'manifest unknown to this repository'],
  NAME_INVALID: [400, 'invalid repository name'],
  NAME_UNKNOWN: [404, 'repository name not known to this registry'],
  PAGINATION_NUMBER_INVALID: [400, 'invalid number of results requested'],
  RANGE_INVALID: [416, 'the range does not fit what is stored'],
  SIZE_INVALID: [400, 'provided length did not match content length'],
  TAG_INVALID: [400, 'invalid tag'],
  TOOMANYREQUESTS: [429, 'too many requests'],
  UNAUTHORIZED: [401, 'authentication required'],
  UNAVAILABLE: [503, 'service unavailable'],
  UNKNOWN: [500, 'unknown error'],
  UNSUPPORTED: [405, 'the operation is unsupported'],
} as const satisfies Record<string, readonly [status: number, message: string]>

export type ErrorCode = keyof typeof ERROR_CODES

type ErrorOptions = {
  /** More for the program that reads the error: digests, names, numbers. Never a path of the server, never a secret. */
  detail?: unknown
  /** Where the table's status does not fit, e.g. 413 for a manifest that is too large. */
  status?: number
  /** Seconds after which it is worth trying again (`Retry-After`). */
  retryAfter?: number
  /** The upload the error is about, so that the answer can carry `Location` and `Range`. */
  upload?: { id: string; received: number }
  cause?: unknown
}

/** What a registry answers when it cannot do what was asked. The message is for people: what is wrong and what to do. */
export class RegistryError extends Error {
  override readonly name = 'RegistryError'
  readonly code: ErrorCode
  readonly status: number
  readonly detail: unknown
  readonly retryAfter: number | undefined
  readonly upload: { id: string; received: number } | undefined

  constructor(code: ErrorCode, message?: string, options: ErrorOptions = {}) {
    super(message ?? ERROR_CODES[code][1], options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.status = options.status ?? ERROR_CODES[code][0]
    this.detail = options.detail
    this.retryAfter = options.retryAfter
    this.upload = options.upload
  }
}
