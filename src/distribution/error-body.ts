/** Errors → answers. */
import { ERROR_CODES, RegistryError } from '../oci/error.ts'

/** What is wrong, in the registry's words, whatever was thrown. What nobody foresaw stays unexplained to the client. */
export function toRegistryError(thrown: unknown): RegistryError {
  if (thrown instanceof RegistryError) return thrown
  const cause = thrown
  switch (systemCode(thrown)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new RegistryError(
        'DENIED',
        'no space left on device: free some, or ask who runs this registry',
        {
          cause,
        },
      )
    case 'EROFS':
      return new RegistryError('DENIED', 'the storage of this registry is read-only', { cause })
    case 'EMFILE':
    case 'ENFILE':
      return new RegistryError('UNAVAILABLE', 'too many files are open at the moment', {
        retryAfter: 1,
        cause,
      })
    default:
      return new RegistryError('UNKNOWN', ERROR_CODES.UNKNOWN[1], { cause })
  }
}

/** The system's code of an error, or of what caused it. */
function systemCode(thrown: unknown): unknown {
  let error = thrown
  for (let depth = 0; error instanceof Error && depth < 5; depth += 1) {
    if ('code' in error && typeof error.code === 'string' && error.code.startsWith('E')) return error.code
    error = error.cause
  }
  return undefined
}

/**
 * distribution-spec, "Error Codes". The request's id stands in the detail too, where there is room for it, because
 * people paste bodies into tickets.
 */
export function errorBody(error: RegistryError, requestId: string): Buffer {
  const { code, message, detail } = error
  return Buffer.from(
    JSON.stringify({ errors: [{ code, message, detail: withRequestId(detail, requestId) }] }),
  )
}

function withRequestId(detail: unknown, requestId: string): unknown {
  if (detail === undefined || detail === null) return { requestId }
  if (typeof detail === 'object' && !Array.isArray(detail)) return { ...detail, requestId }
  return detail
}
