/** k3s and RKE2: registries.yaml, from which they write containerd's files. */
import { fileNameOf, quoted, type RegistryToUse, type Setup, urlOf } from './setup.ts'

const FOLDER = '/etc/rancher/k3s'

export function k3sSetup(registry: RegistryToUse): Setup {
  const { host, transport, ca, mirrorOf } = registry
  const caPath = `${FOLDER}/${fileNameOf(host)}-ca.crt`
  const names = [...(transport === 'public' ? [] : [host]), ...(mirrorOf === undefined ? [] : [mirrorOf])]
  const mirrors = names.flatMap((name) => [
    `  ${quoted(name)}:`,
    '    endpoint:',
    `      - ${quoted(urlOf(registry))}`,
  ])
  const lines = [
    ...(mirrors.length > 0 ? ['mirrors:', ...mirrors] : []),
    ...(ca === undefined ? [] : ['configs:', `  ${quoted(host)}:`, '    tls:', `      ca_file: ${caPath}`]),
  ]
  const isNeeded = lines.length > 0
  return {
    files: isNeeded
      ? [
          {
            path: `${FOLDER}/registries.yaml`,
            text: `${lines.join('\n')}\n`,
            note: 'On every node, servers and agents. Where the file is there already, these keys are added to what it has.',
          },
          ...(ca === undefined ? [] : [{ path: caPath, text: ca }]),
        ]
      : [],
    commands: isNeeded ? ['systemctl restart k3s || systemctl restart k3s-agent'] : [],
    login: [
      `# in registries.yaml, below configs:`,
      `#   ${quoted(host)}:`,
      '#     auth:',
      '#       username: NAME',
      '#       password: PASSWORD',
    ],
    ...(isNeeded && {
      notes: [
        'RKE2 has the same file as /etc/rancher/rke2/registries.yaml; k3d takes it by --registry-config.',
      ],
    }),
  }
}
