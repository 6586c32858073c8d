/** BuildKit: buildkitd.toml, for a daemon of its own and for builders that buildx makes. */
import { quoted, type RegistryToUse, type Setup, type SetupFile } from './setup.ts'

const FOLDER = '/etc/buildkit'

export function buildkitSetup({ host, transport, ca, mirrorOf }: RegistryToUse): Setup {
  const caPath = `${FOLDER}/certs/${host}/ca.crt`
  const own = [
    ...(transport === 'plain' ? ['  http = true'] : []),
    ...(ca === undefined ? [] : [`  ca = [${quoted(caPath)}]`]),
  ]
  const lines = [
    ...(own.length > 0 ? [`[registry.${quoted(host)}]`, ...own, ''] : []),
    ...(mirrorOf === undefined
      ? []
      : [`[registry.${quoted(mirrorOf)}]`, `  mirrors = [${quoted(host)}]`, '']),
  ]
  const path = `${FOLDER}/buildkitd.toml`
  const files: SetupFile[] =
    lines.length === 0
      ? []
      : [{ path, text: lines.join('\n') }, ...(ca === undefined ? [] : [{ path: caPath, text: ca }])]
  return {
    files,
    commands:
      files.length === 0
        ? []
        : [
            '# a daemon of its own',
            'systemctl restart buildkit',
            '# or a builder of buildx, which copies the file and what it names; --config before buildx 0.13',
            `docker buildx create --use --driver docker-container --buildkitd-config ${path}`,
          ],
    login: [`docker login ${host}`],
    notes: [
      'The BuildKit inside the Docker engine has no such file: "berth client-config docker" is for it.',
    ],
  }
}
