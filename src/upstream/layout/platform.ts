/** `linux/arm64`, as people write it and as indexes say it. */

const ARCHITECTURES: Readonly<Record<string, string>> = {
  x86_64: 'amd64',
  'x86-64': 'amd64',
  aarch64: 'arm64',
  armhf: 'arm',
}
/** What is meant where no variant is written. */
const USUAL_VARIANT: Readonly<Record<string, string>> = { arm64: 'v8', amd64: 'v1' }

export function isPlatform(text: string): boolean {
  return /^[a-z0-9_.-]+\/[a-z0-9_.-]+(?:\/[a-z0-9_.-]+)?$/i.test(text)
}

function normalPlatform(text: string): string {
  const [os = '', architecture = '', variant] = text.toLowerCase().split('/')
  const known = ARCHITECTURES[architecture] ?? architecture
  return [os, known, ...(variant === undefined || variant === USUAL_VARIANT[known] ? [] : [variant])].join(
    '/',
  )
}

/** A wanted platform without a variant takes any: `linux/arm` takes `linux/arm/v7`. */
export function platformFits(found: string | undefined, wanted: string): boolean {
  if (found === undefined) return false
  const [has, wants] = [normalPlatform(found), normalPlatform(wanted)]
  return has === wants || has.startsWith(`${wants}/`)
}
