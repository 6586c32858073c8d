/** The configuration that podman and buildah need to run in a folder of their own, also in a container without cgroups. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Workplace } from './workplace.ts'

export function containersEnvironment({ place, server }: Workplace): Record<string, string> {
  const folder = place('containers')
  const write = (name: string, lines: string[]): string => {
    const path = join(folder, name)
    writeFileSync(path, `${lines.join('\n')}\n`)
    return path
  }
  return {
    CONTAINERS_CONF: write('containers.conf', [
      '[containers]',
      'default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]',
      'netns = "host"',
      'log_driver = "k8s-file"',
      '[engine]',
      'runtime = "runc"',
      'events_logger = "file"',
      'cgroup_manager = "cgroupfs"',
    ]),
    CONTAINERS_STORAGE_CONF: write('storage.conf', [
      '[storage]',
      'driver = "overlay"',
      `graphroot = "${folder}/root"`,
      `runroot = "${folder}/run"`,
    ]),
    CONTAINERS_REGISTRIES_CONF: write('registries.conf', [
      `unqualified-search-registries = ["${server.host}"]`,
      '[[registry]]',
      `location = "${server.host}"`,
      'insecure = true',
    ]),
    REGISTRY_AUTH_FILE: write('auth.json', ['{}']),
    BUILDAH_ISOLATION: 'chroot',
    TMPDIR: folder,
  }
}
