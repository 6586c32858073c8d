/** What an engine is told of the image: the OCI image configuration, and Docker's additions to it. */
import type { Architecture } from './architectures.ts'
import type { Layer } from './layers.ts'

export type About = {
  version: string
  /** The commit it was made of, where that is known. */
  revision?: string | undefined
  /** When the source was made, e.g. `2026-01-01T00:00:00Z`: not the time of the build, which would differ each time. */
  created: string
}

const SECOND = 1_000_000_000

/** https://specs.opencontainers.org/image-spec/annotations/ */
export function labelsOf({ version, revision, created }: About): Record<string, string> {
  return {
    'org.opencontainers.image.created': created,
    'org.opencontainers.image.description':
      'A container registry: the OCI Distribution Specification over one folder',
    'org.opencontainers.image.licenses': 'Apache-2.0',
    ...(revision !== undefined && { 'org.opencontainers.image.revision': revision }),
    'org.opencontainers.image.title': 'Berth',
    'org.opencontainers.image.version': version,
  }
}

export function imageConfig(
  layers: readonly Layer[],
  { architecture, about }: { architecture: Architecture; about: About },
): object {
  return {
    architecture,
    os: 'linux',
    created: about.created,
    config: {
      Env: [
        'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        // Certificates of the image, or of whoever mounts others there, beside those in Node.js.
        'NODE_USE_SYSTEM_CA=1',
        'SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt',
        'SSL_CERT_DIR=/usr/local/share/ca-certificates',
      ],
      // As in the image of CNCF Distribution 3; that of 2 lets the word `serve` be left out, and so does this.
      Entrypoint: ['registry'],
      Cmd: ['serve', '/etc/distribution/config.yml'],
      WorkingDir: '/',
      StopSignal: 'SIGTERM',
      ExposedPorts: { '5000/tcp': {} },
      Volumes: { '/var/lib/registry': {} },
      Labels: labelsOf(about),
      // Not of OCI's: Docker reads it, and others pass over it.
      Healthcheck: {
        Test: ['CMD', 'registry', 'healthcheck'],
        Interval: 30 * SECOND,
        Timeout: 10 * SECOND,
        StartPeriod: 60 * SECOND,
        Retries: 3,
      },
    },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    history: layers.map(({ name }) => ({ created: about.created, created_by: `npm run image: ${name}` })),
  }
}
