/** containerd: a hosts.toml for each registry (docs/hosts.md there), and where Kubernetes' plugin looks for them. */
import {
  caFile,
  originOf,
  quoted,
  type RegistryToUse,
  type Setup,
  type SetupFile,
  urlOf,
  PULL_SECRET,
} from './setup.ts'

const FOLDER = '/etc/containerd/certs.d'

export function containerdSetup(registry: RegistryToUse): Setup {
  const { host, transport, mirrorOf } = registry
  const files: SetupFile[] = []
  if (transport !== 'public') {
    files.push({
      path: `${FOLDER}/${host}/hosts.toml`,
      text: hostsToml(registry, urlOf(registry), ['pull', 'resolve', 'push']),
    })
  }
  files.push(...caFile(registry, FOLDER))
  if (mirrorOf !== undefined) {
    files.push({
      path: `${FOLDER}/${mirrorOf}/hosts.toml`,
      text: hostsToml(registry, originOf(mirrorOf), ['pull', 'resolve']),
    })
  }
  if (files.length > 0) files.push(...configToml())
  return {
    files,
    commands: files.length > 0 ? ['systemctl restart containerd'] : [],
    login: [
      PULL_SECRET(host),
      "# and imagePullSecrets: [{ name: registry-login }] in the pod's specification",
    ],
    ...(files.length > 0 && {
      notes: [
        `Only config.toml needs the restart: what lies in ${FOLDER} is read at each pull. nerdctl looks there by itself, ctr is told by --hosts-dir ${FOLDER}.`,
      ],
    }),
  }
}

function hostsToml(registry: RegistryToUse, server: string, capabilities: readonly string[]): string {
  return [
    `server = ${quoted(server)}`,
    '',
    `[host.${quoted(urlOf(registry))}]`,
    `  capabilities = [${capabilities.map(quoted).join(', ')}]`,
    ...(registry.ca === undefined ? [] : [`  ca = ${quoted(`${FOLDER}/${registry.host}/ca.crt`)}`]),
    '',
  ].join('\n')
}

function configToml(): SetupFile[] {
  const path = '/etc/containerd/config.toml'
  const text = (version: number, plugin: string): string =>
    [
      `version = ${version}`,
      '',
      `[plugins.${quoted(plugin)}.registry]`,
      `  config_path = ${quoted(FOLDER)}`,
      '',
    ].join('\n')
  return [
    {
      path,
      text: text(3, 'io.containerd.cri.v1.images'),
      note: 'containerd 2. Where the file has this already, nothing is to be done; else these lines are added to it.',
    },
    {
      path,
      text: text(2, 'io.containerd.grpc.v1.cri'),
      note: 'containerd 1.5 to 1.7, instead of the one above.',
      isInstead: true,
    },
  ]
}
