/** Pages and the table together: what is typed, in which order, and what is left out for which reason. */
import { programsOf, type Block, type Step } from './blocks.ts'
import type { Note, Page } from './pages.ts'

export type Typed = Step & { line: number; note: Note | undefined }

/** @throws for a name in the table that fits nothing */
export function planOf(blocks: readonly Block[], page: Page): Typed[] {
  const notes = [...page.notes]
  const typed = blocks.flatMap(({ line, steps }) =>
    steps.map((step): Typed => {
      const fits = notes[0] !== undefined && step.script.startsWith(notes[0].begins)
      return {
        ...step,
        script: withWords(step.script, page.words ?? {}),
        line,
        note: fits ? notes.shift() : undefined,
      }
    }),
  )
  const [stale] = notes
  if (stale) throw new Error(`pages.ts: no step begins like this, in this order: ${stale.begins}`)
  return typed
}

function withWords(script: string, words: Readonly<Record<string, string>>): string {
  let text = script
  for (const [word, instead] of Object.entries(words)) text = text.replaceAll(word, instead)
  return text
}

/** Clients and tools that a machine may lack. The shell's own and Berth's are not among them. */
const CLIENTS = new Set(
  'docker podman buildah skopeo crane regctl oras helm kubectl kind minikube k3s nerdctl ctr openssl jq ssh htpasswd certbot'.split(
    ' ',
  ),
)
/** test/clients/install.sh installs these wherever CI runs. */
const INSTALLED = new Set('docker podman buildah skopeo openssl'.split(' '))

/**
 * Why it is not run on this machine, or undefined.
 * @throws under CI for what CI installs
 */
export function whyNot(
  { script, note }: Typed,
  page: Page,
  has: (program: string) => boolean,
): string | undefined {
  if (note?.not !== undefined) return note.not
  const programs = [...programsOf(script)]
  const left = programs.find((program) => page.without?.[program] !== undefined)
  if (left !== undefined) return page.without?.[left]
  if (note?.slow !== undefined && process.env['BERTH_SLOW'] === undefined) return `${note.slow} (BERTH_SLOW)`
  const missing = programs.filter((program) => CLIENTS.has(program) && !has(program))
  if (missing.length === 0) return undefined
  const reason = `SKIPPED: not on this machine: ${missing.join(', ')} (test/clients/install.sh installs them)`
  if (process.env['CI'] && missing.some((program) => INSTALLED.has(program))) throw new Error(reason)
  return reason
}
