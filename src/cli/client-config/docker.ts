/** The Docker engine: daemon.json, and certs.d, which it reads each time. */
import { isLoopback } from '../../upstream/address.ts'
import { caFile, type RegistryToUse, type Setup, SetupError, urlOf } from './setup.ts'

/** Seen with Docker 28.5 and containerd's store. */
const SYSTEM_TOO =
  "Engines that keep images in containerd's store, as new ones do, look into certs.d for images of this registry, not where it is a mirror: add the authority to those of the system too (Debian: copy it to /usr/local/share/ca-certificates, run update-ca-certificates), and restart docker."

export function dockerSetup(registry: RegistryToUse): Setup {
  const { host, transport, mirrorOf } = registry
  if (mirrorOf !== undefined && mirrorOf !== 'docker.io')
    throw new SetupError(
      `docker can be given mirrors of docker.io only: for ${mirrorOf} write ${host}/NAME:TAG as the image's name`,
    )
  // The engine takes this machine for insecure by itself.
  const isInsecure = transport === 'plain' && !isLoopback(host)
  const settings = {
    ...(isInsecure && { 'insecure-registries': [host] }),
    ...(mirrorOf !== undefined && { 'registry-mirrors': [urlOf(registry)] }),
  }
  const hasSettings = Object.keys(settings).length > 0
  return {
    files: [
      ...(hasSettings
        ? [
            {
              path: '/etc/docker/daemon.json',
              text: `${JSON.stringify(settings, undefined, 2)}\n`,
              note: 'Where the file is there already, these keys are added to what it has. Docker Desktop has it in its settings, "Docker Engine".',
            },
          ]
        : []),
      ...caFile(registry, '/etc/docker/certs.d'),
    ],
    commands: hasSettings ? ['systemctl reload docker'] : [],
    login: [`docker login ${host}`],
    ...(transport === 'own-ca' && mirrorOf !== undefined && { notes: [SYSTEM_TOO] }),
  }
}
