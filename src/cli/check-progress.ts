/** How far a check is: said in a line. */
import type { CheckProgress } from '../jobs/check/check-data.ts'
import { bytesText, durationText } from './quantities.ts'

/** @param began milliseconds since 1970 */
export function progressText(progress: CheckProgress, began: number): string {
  const { stage, blobs, totalBlobs, hashedBytes, bytes, totalBytes, manifests, files } = progress
  switch (stage) {
    case 'database':
      return 'checking the database'
    case 'blobs': {
      const seconds = (Date.now() - began) / 1000
      const rate = hashedBytes === 0 ? '' : `, ${bytesText(hashedBytes / seconds)}/s`
      const share = hashedBytes === 0 ? blobs / totalBlobs : bytes / totalBytes
      const rest = share > 0 && share < 1 ? `, ${durationText(seconds / share - seconds)} left` : ''
      return `${blobs} of ${totalBlobs || '?'} blobs, ${bytesText(bytes)}${rate}${rest}`
    }
    case 'manifests':
      return `${manifests} manifests`
    case 'rows':
      return 'tags, counts and leftovers'
    case 'files':
      return `${Object.values(files).reduce((sum, count) => sum + count, 0)} files`
  }
}
