/** A setup as text for people: each file with its path before it, then what to type. */
import type { RegistryToUse, Setup } from './setup.ts'

const TRANSPORT = {
  plain: 'without TLS',
  'own-ca': 'with a certificate of its own authority',
  public: 'with a certificate that is known everywhere',
} as const

export function setupText(client: string, registry: RegistryToUse, setup: Setup): string {
  const { host, transport, mirrorOf } = registry
  const mirror = mirrorOf === undefined ? '' : `, which stands in for ${mirrorOf}`
  const blocks = [
    `# ${client}: ${host}, ${TRANSPORT[transport]}${mirror}`,
    ...(setup.files.length === 0 ? ['# Nothing needs to be configured.'] : []),
    ...setup.files.map(({ path, text, note }) =>
      [`# ${path}`, ...(note === undefined ? [] : [`# (${note})`]), text.trimEnd()].join('\n'),
    ),
    ...(setup.commands.length > 0 ? [['# then', ...setup.commands].join('\n')] : []),
    ['# where it asks for a password', ...setup.login].join('\n'),
    ...(setup.notes ?? []).map((note) => `# ${note}`),
  ]
  return `${blocks.join('\n\n')}\n`
}
