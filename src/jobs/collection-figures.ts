/** What metrics say of the collector in this process. */
import type { CollectionProgress } from './collect-garbage.ts'

export type CollectionFigures = {
  manifests: number
  links: number
  blobs: number
  /** Files that are gone, and their bytes. */
  files: number
  freedBytes: number
  /** Candidates that are due and not looked at yet, in the run that goes on; 0 where none does. */
  left: number
  /** When the last run ended. Milliseconds since 1970; 0: none has. */
  lastRunAt: number
  onRemoved(files: number, bytes: number): void
}

export function createCollectionFigures(): CollectionFigures {
  return {
    ...{ manifests: 0, links: 0, blobs: 0, files: 0, freedBytes: 0, left: 0, lastRunAt: 0 },
    onRemoved(files, bytes) {
      this.files += files
      this.freedBytes += bytes
    },
  }
}

/** Adds one run to the figures, batch by batch. */
export function figuresOf(figures: CollectionFigures): {
  onProgress(progress: CollectionProgress): void
  onEnd(now: number): void
} {
  let seen = { manifests: 0, links: 0, blobs: 0 }
  return {
    onProgress({ manifests, links, blobs, looked, due }) {
      figures.manifests += manifests - seen.manifests
      figures.links += links - seen.links
      figures.blobs += blobs - seen.blobs
      figures.left = Math.max(0, due - looked)
      seen = { manifests, links, blobs }
    },
    onEnd(now) {
      figures.left = 0
      figures.lastRunAt = now
    },
  }
}
