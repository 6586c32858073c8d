/** How far a push is, and what it did: a line that changes at a terminal, a line for each blob elsewhere. */
import type { BlobToPush, Content } from '../upstream/layout/collect.ts'
import type { PushWatch } from '../upstream/push/push-content.ts'
import type { Io } from './command.ts'
import { createProgress } from './progress.ts'
import { bytesText, countText, durationText } from './quantities.ts'

export type PushReport = {
  watch: PushWatch
  /** A line that stays. */
  say(text: string): void
  end(): void
  /** What was done, in a line. */
  summary(): void
}

const WORDS = {
  present: 'there already',
  mounted: 'taken from another repository',
  uploaded: 'uploaded',
} as const

export function createPushReport(
  content: Content,
  { stderr }: Pick<Io, 'stderr'>,
  isQuiet: boolean,
): PushReport {
  const progress = createProgress({ stderr })
  const isTerminal = (stderr as { isTTY?: boolean }).isTTY === true
  const all = content.blobs.reduce((sum, { stored }) => sum + stored.size, 0)
  const began = performance.now()
  const done = { present: 0, mounted: 0, uploaded: 0 }
  let passed = 0
  let sent = 0
  let kept = 0
  let newManifests = 0

  const say = (text: string): void => {
    if (!isQuiet) progress.end(text)
  }
  const seconds = (): number => Math.max((performance.now() - began) / 1000, 0.001)
  const update = (): void => {
    if (isQuiet) return
    const rate = sent / seconds()
    const at = sent + passed + kept
    const left = rate > 0 && all > at ? `, ${durationText((all - at) / rate)} left` : ''
    const finished = done.present + done.mounted + done.uploaded
    progress.update(
      `${bytesText(at)} of ${bytesText(all)}, ${finished} of ${countText(content.blobs.length, 'blob')}, ${bytesText(rate)}/s${left}`,
    )
  }
  const nameOf = ({ digest, stored }: BlobToPush): string =>
    `${digest.slice(0, 19)} (${bytesText(stored.size)})`

  return {
    say,
    watch: {
      sent(bytes) {
        sent += bytes
        update()
      },
      resumed(blob, from) {
        // It came with an earlier run: it says nothing of how fast this one is.
        kept += from
        sent -= from
        say(`${nameOf(blob)}: goes on at ${bytesText(from)}`)
      },
      waits: (why, ms) => say(`${why}; trying again in ${durationText(ms / 1000)}`),
      blob(blob, outcome) {
        done[outcome]++
        if (outcome !== 'uploaded') passed += blob.stored.size
        if (!isTerminal) say(`${nameOf(blob)}: ${WORDS[outcome]}`)
        update()
      },
      manifest(_manifest, outcome) {
        if (outcome === 'pushed') newManifests++
      },
    },
    end: () => progress.end(),
    summary() {
      const parts = [
        `${countText(done.uploaded, 'blob')} uploaded (${bytesText(sent)})`,
        ...(done.mounted > 0 ? [`${done.mounted} taken from other repositories`] : []),
        ...(done.present > 0 ? [`${done.present} there already`] : []),
        `${newManifests} of ${countText(content.manifests.length, 'manifest')} new`,
        ...(content.foreign > 0
          ? [`${countText(content.foreign, 'layer')} not pushed, as they lie elsewhere`]
          : []),
      ]
      say(`${parts.join(', ')}; ${durationText(seconds())}`)
    },
  }
}
