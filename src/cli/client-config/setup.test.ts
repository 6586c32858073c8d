/** What `berth client-config` prints, literally. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse } from 'yaml'
import { buildkitSetup } from './buildkit.ts'
import { containerdSetup } from './containerd.ts'
import { dockerSetup } from './docker.ts'
import { k3sSetup } from './k3s.ts'
import { kanikoSetup } from './kaniko.ts'
import { podmanSetup } from './podman.ts'
import { setupText } from './print.ts'
import type { RegistryToUse, Setup } from './setup.ts'

const PEM = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'
const host = 'registry.example:5000'
const plain: RegistryToUse = { host, transport: 'plain' }
const own: RegistryToUse = { host, transport: 'own-ca', ca: PEM }
const known: RegistryToUse = { host, transport: 'public' }
const ALL = {
  docker: dockerSetup,
  containerd: containerdSetup,
  podman: podmanSetup,
  k3s: k3sSetup,
  buildkit: buildkitSetup,
}

/** Path → content, without what is for another version. */
function filesOf({ files }: Setup): Record<string, string> {
  return Object.fromEntries(
    files.filter(({ isInstead }) => isInstead !== true).map(({ path, text }) => [path, text]),
  )
}

test('the whole of it, as a person reads it', () => {
  assert.equal(
    setupText(
      'docker',
      { ...plain, mirrorOf: 'docker.io' },
      dockerSetup({ ...plain, mirrorOf: 'docker.io' }),
    ),
    `# docker: registry.example:5000, without TLS, which stands in for docker.io

# /etc/docker/daemon.json
# (Where the file is there already, these keys are added to what it has. Docker Desktop has it in its settings, "Docker Engine".)
{
  "insecure-registries": [
    "registry.example:5000"
  ],
  "registry-mirrors": [
    "http://registry.example:5000"
  ]
}

# then
systemctl reload docker

# where it asks for a password
docker login registry.example:5000
`,
  )
})

test('a certificate that is known everywhere: nothing is needed', () => {
  for (const [name, setupOf] of Object.entries(ALL)) {
    const setup = setupOf(known)
    assert.deepEqual([setup.files, setup.commands], [[], []], name)
    assert.match(
      setupText(name, known, setup),
      /^# \w+: registry\.example:5000, with a certificate .*\n\n# Nothing needs to be configured\.\n/,
    )
  }
  assert.doesNotMatch(setupText('kaniko', known, kanikoSetup(known)), /insecure|certificate=/)
})

test('docker: certs.d, no other mirror than of Docker Hub, and nothing for this machine itself', () => {
  assert.deepEqual(filesOf(dockerSetup(own)), { '/etc/docker/certs.d/registry.example:5000/ca.crt': PEM })
  assert.deepEqual(dockerSetup(own).commands, [])
  assert.deepEqual(dockerSetup({ host: 'localhost:5000', transport: 'plain' }).files, [])
  assert.throws(() => dockerSetup({ ...plain, mirrorOf: 'quay.io' }), {
    name: 'SetupError',
    message:
      "docker can be given mirrors of docker.io only: for quay.io write registry.example:5000/NAME:TAG as the image's name",
  })
})

test('containerd: hosts.toml', () => {
  const files = filesOf(containerdSetup({ ...own, mirrorOf: 'docker.io' }))
  assert.deepEqual(Object.keys(files), [
    '/etc/containerd/certs.d/registry.example:5000/hosts.toml',
    '/etc/containerd/certs.d/registry.example:5000/ca.crt',
    '/etc/containerd/certs.d/docker.io/hosts.toml',
    '/etc/containerd/config.toml',
  ])
  assert.equal(
    files['/etc/containerd/certs.d/registry.example:5000/hosts.toml'],
    `server = "https://registry.example:5000"

[host."https://registry.example:5000"]
  capabilities = ["pull", "resolve", "push"]
  ca = "/etc/containerd/certs.d/registry.example:5000/ca.crt"
`,
  )
  assert.equal(
    files['/etc/containerd/certs.d/docker.io/hosts.toml'],
    `server = "https://registry-1.docker.io"

[host."https://registry.example:5000"]
  capabilities = ["pull", "resolve"]
  ca = "/etc/containerd/certs.d/registry.example:5000/ca.crt"
`,
  )
  const [newer, older] = containerdSetup(plain).files.slice(-2)
  assert.match(
    newer?.text ?? '',
    /^version = 3\n\n\[plugins\."io\.containerd\.cri\.v1\.images"\.registry\]\n/,
  )
  assert.match(older?.text ?? '', /^version = 2\n\n\[plugins\."io\.containerd\.grpc\.v1\.cri"\.registry\]\n/)
})

test('podman: registries.conf.d', () => {
  assert.deepEqual(filesOf(podmanSetup({ ...plain, mirrorOf: 'docker.io' })), {
    '/etc/containers/registries.conf.d/50-registry.example-5000.conf': `[[registry]]
location = "registry.example:5000"
insecure = true

[[registry]]
prefix = "docker.io"
location = "docker.io"

[[registry.mirror]]
location = "registry.example:5000"
insecure = true
`,
  })
  assert.deepEqual(filesOf(podmanSetup(own)), { '/etc/containers/certs.d/registry.example:5000/ca.crt': PEM })
})

test('k3s: registries.yaml, with the keys that its documentation has', () => {
  const path = '/etc/rancher/k3s/registries.yaml'
  const endpoint = (scheme: string) => ({ endpoint: [`${scheme}://registry.example:5000`] })
  assert.deepEqual(parse(filesOf(k3sSetup(plain))[path] ?? ''), { mirrors: { [host]: endpoint('http') } })
  const files = filesOf(k3sSetup({ ...own, mirrorOf: 'docker.io' }))
  assert.deepEqual(parse(files[path] ?? ''), {
    mirrors: { [host]: endpoint('https'), 'docker.io': endpoint('https') },
    configs: { [host]: { tls: { ca_file: '/etc/rancher/k3s/registry.example-5000-ca.crt' } } },
  })
  assert.equal(files['/etc/rancher/k3s/registry.example-5000-ca.crt'], PEM)
})

test("kaniko: arguments and mounts, as a part of a pod's specification", () => {
  const partOf = (registry: RegistryToUse): unknown =>
    parse(filesOf(kanikoSetup(registry))['kaniko.yaml'] ?? '')
  const destination = '--destination=registry.example:5000/NAME:TAG'
  assert.deepEqual(partOf({ ...plain, mirrorOf: 'docker.io' }), {
    containers: [
      {
        name: 'kaniko',
        args: [
          destination,
          '--insecure-registry=registry.example:5000',
          '--registry-mirror=registry.example:5000',
        ],
      },
    ],
  })
  assert.deepEqual(partOf({ ...own, mirrorOf: 'quay.io' }), {
    containers: [
      {
        name: 'kaniko',
        args: [
          destination,
          '--registry-certificate=registry.example:5000=/kaniko/registry-ca/ca.crt',
          '--registry-map=quay.io=registry.example:5000',
        ],
        volumeMounts: [{ name: 'registry-ca', mountPath: '/kaniko/registry-ca' }],
      },
    ],
    volumes: [{ name: 'registry-ca', configMap: { name: 'registry-ca' } }],
  })
})

test('BuildKit: buildkitd.toml', () => {
  assert.equal(
    filesOf(buildkitSetup({ ...own, mirrorOf: 'docker.io' }))['/etc/buildkit/buildkitd.toml'],
    `[registry."registry.example:5000"]
  ca = ["/etc/buildkit/certs/registry.example:5000/ca.crt"]

[registry."docker.io"]
  mirrors = ["registry.example:5000"]
`,
  )
  assert.equal(
    filesOf(buildkitSetup(plain))['/etc/buildkit/buildkitd.toml'],
    '[registry."registry.example:5000"]\n  http = true\n',
  )
})
