/** kaniko: arguments of the executor, and what is mounted into its pod. */
import { type RegistryToUse, type Setup } from './setup.ts'

const CA_FOLDER = '/kaniko/registry-ca'

export function kanikoSetup({ host, transport, ca, mirrorOf }: RegistryToUse): Setup {
  const args = [
    `--destination=${host}/NAME:TAG`,
    ...(transport === 'plain' ? [`--insecure-registry=${host}`] : []),
    ...(ca === undefined ? [] : [`--registry-certificate=${host}=${CA_FOLDER}/ca.crt`]),
    ...(mirrorOf === undefined
      ? []
      : [mirrorOf === 'docker.io' ? `--registry-mirror=${host}` : `--registry-map=${mirrorOf}=${host}`]),
  ]
  const mount = (name: string, path: string): string[] => [
    `      - name: ${name}`,
    `        mountPath: ${path}`,
  ]
  const text = [
    'containers:',
    '  - name: kaniko',
    '    args:',
    ...args.map((one) => `      - ${one}`),
    ...(ca === undefined ? [] : ['    volumeMounts:', ...mount('registry-ca', CA_FOLDER)]),
    ...(ca === undefined
      ? []
      : ['volumes:', '  - name: registry-ca', '    configMap:', '      name: registry-ca']),
    '',
  ].join('\n')
  return {
    files: [
      { path: 'kaniko.yaml', text, note: "To be added to the pod's specification." },
      ...(ca === undefined ? [] : [{ path: 'ca.crt', text: ca }]),
    ],
    commands: ca === undefined ? [] : ['kubectl create configmap registry-ca --from-file=ca.crt'],
    login: [
      `docker login ${host}`,
      'kubectl create secret generic registry-login --from-file=config.json=$HOME/.docker/config.json',
      '# and mount the secret at /kaniko/.docker',
    ],
    ...(transport === 'plain' && {
      notes: [
        '--insecure and --insecure-pull would ask every registry without TLS, --insecure-registry only this one.',
      ],
    }),
  }
}
