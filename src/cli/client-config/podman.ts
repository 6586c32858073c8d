/** podman, buildah, skopeo and CRI-O: registries.conf.d and certs.d (containers-registries.conf(5), containers-certs.d(5)). */
import { caFile, fileNameOf, quoted, type RegistryToUse, type Setup } from './setup.ts'

export function podmanSetup(registry: RegistryToUse): Setup {
  const { host, transport, mirrorOf } = registry
  const insecure = transport === 'plain' ? ['insecure = true'] : []
  const lines = [
    ...(transport === 'plain' ? ['[[registry]]', `location = ${quoted(host)}`, ...insecure, ''] : []),
    ...(mirrorOf === undefined
      ? []
      : [
          '[[registry]]',
          `prefix = ${quoted(mirrorOf)}`,
          `location = ${quoted(mirrorOf)}`,
          '',
          '[[registry.mirror]]',
          `location = ${quoted(host)}`,
          ...insecure,
          '',
        ]),
  ]
  const path = `/etc/containers/registries.conf.d/50-${fileNameOf(host)}.conf`
  return {
    files: [
      ...(lines.length > 0 ? [{ path, text: lines.join('\n') }] : []),
      ...caFile(registry, '/etc/containers/certs.d'),
    ],
    commands: [],
    login: [`podman login ${host}`],
    notes: ['buildah, skopeo and CRI-O read the same files; CRI-O after "systemctl reload crio".'],
  }
}
