/** `berth client-config`, each of its files put where it says, and tried with the client that reads it. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { createCertificates, withoutOpenssl } from '../../src/serving/certificates.fixture.ts'
import { startContainerd } from '../clients/containerd-daemon.ts'
import { containersEnvironment } from '../clients/containers.ts'
import { busyboxLayer, createLayout, fileLayer } from '../clients/layout.ts'
import {
  ALL_CLIENTS,
  clientPath,
  createWorkplace,
  missingClients,
  needsRoot,
  NOT_ALL,
  pushLayout,
  type Workplace,
} from '../clients/workplace.ts'
import { cannotMount } from '../lib/prerequisite.ts'
import { startServer } from '../lib/start-server.ts'
import { afterwards } from '../lib/temporary.ts'
import { startBuildkit } from './buildkit-daemon.ts'
import { createOwnEtc, filesPrinted } from './own-etc.ts'

type Place = Workplace & { port: string; host: string; ca: string; digest: string }

const KINDS = ['plain', 'own-ca'] as const
type Kind = (typeof KINDS)[number]

/** A registry at registry.example, with `o/app:1`; without TLS, or with a certificate of an authority of its own. */
async function begin(context: TestContext, kind: Kind): Promise<Place> {
  const files = await createCertificates()
  afterwards(context, () => files.remove())
  const authority = await files.authority('own')
  const tls = await files.issue('server', authority, { subject: 'registry', names: 'DNS:registry.example' })
  const settings = { REGISTRY_HTTP_TLS_CERTIFICATE: tls.certificate, REGISTRY_HTTP_TLS_KEY: tls.key }
  const workplace = await createWorkplace(context, 'client-config')
  const layout = createLayout(workplace.place('layout'))
  const busybox = busyboxLayer(clientPath('busybox') ?? '')
  const image = layout.addImage({ layers: [busybox, fileLayer('etc/hello', 'hello')] })
  await pushLayout(workplace.client, 'o/app', '1', layout.folder, image.digest)
  if (kind === 'own-ca') {
    // The same data, served with TLS.
    await workplace.server.stop()
    const server = await startServer({ root: join(workplace.folder, 'data'), env: settings })
    afterwards(context, () => server.stop())
    workplace.server = server
  }
  const port = workplace.server.host.split(':')[1] ?? ''
  return {
    ...workplace,
    port,
    host: `registry.example:${port}`,
    ca: authority.certificate,
    digest: image.digest,
  }
}

const argumentsOf = (place: Place, kind: Kind): string[] =>
  kind === 'plain' ? ['--plain-http'] : ['--ca', place.ca]

const base = needsRoot() || cannotMount() || ((await withoutOpenssl()) ?? false)
const noPodman = missingClients(['skopeo', 'podman', 'buildah', 'runc', 'busybox']) || base

for (const kind of KINDS)
  test(`podman and skopeo, ${kind}`, { skip: noPodman, timeout: 120_000 }, async (context) => {
    const place = await begin(context, kind)
    const image = `docker://${place.host}/o/app:1`
    const without = createOwnEtc(place, 'without')
    const refused = await without.run('skopeo', ['inspect', '--no-tags', image], { mayFail: true })
    assert.notEqual(refused.code, 0, 'it works without any configuration')
    const etc = createOwnEtc(place, 'with')
    await etc.configure(['podman', place.host, ...argumentsOf(place, kind), '--mirror', 'mirrored.example'])
    for (const name of [image, 'docker://mirrored.example/o/app:1']) {
      const inspected = await etc.run('skopeo', ['inspect', '--no-tags', '--format', '{{.Digest}}', name])
      assert.equal(inspected.stdout.trim(), place.digest, name)
    }
    const { CONTAINERS_REGISTRIES_CONF: _unused, ...own } = containersEnvironment(place)
    await etc.run('podman', ['pull', '-q', `${place.host}/o/app:1`], { env: own })
    await etc.run('podman', ['tag', `${place.host}/o/app:1`, `${place.host}/o/pushed:1`], { env: own })
    await etc.run('podman', ['push', '-q', `${place.host}/o/pushed:1`], { env: own })
    await etc.run('podman', ['rmi', '-af'], { env: own })
    await etc.run('buildah', ['pull', '-q', 'mirrored.example/o/app:1'], { env: own })
  })

const noContainerd = !ALL_CLIENTS
  ? NOT_ALL
  : missingClients(['containerd', 'ctr', 'busybox'], 'optional') || base

for (const kind of KINDS)
  test(`containerd, ${kind}`, { skip: noContainerd, timeout: 120_000 }, async (context) => {
    const place = await begin(context, kind)
    const etc = createOwnEtc(place, 'with')
    await etc.configure([
      'containerd',
      place.host,
      ...argumentsOf(place, kind),
      '--mirror',
      'mirrored.example',
    ])
    const ctr = await startContainerd(context, { ...place, run: etc.run })
    const local = /--local/.test((await ctr(['images', 'pull', '--help'])).stdout) ? ['--local'] : []
    const hosts = ['--hosts-dir', '/etc/containerd/certs.d']
    const refused = await ctr(['images', 'pull', ...local, `${place.host}/o/app:1`], { mayFail: true })
    assert.notEqual(refused.code, 0, 'it works without any configuration')
    for (const image of [`${place.host}/o/app:1`, 'mirrored.example/o/app:1']) {
      await ctr(['images', 'pull', ...local, ...hosts, image])
      assert.match((await ctr(['images', 'ls', `name==${image}`])).stdout, new RegExp(place.digest))
    }
    const pushed = `${place.host}/o/pushed:1`
    await ctr(['images', 'tag', `${place.host}/o/app:1`, pushed])
    await ctr(['images', 'push', ...local, ...hosts, pushed])
  })

const noDump = missingClients(['containerd', 'busybox'], 'optional') || base

test(
  "containerd's config.toml is understood by the version it is for",
  { skip: noDump, timeout: 60_000 },
  async (context) => {
    const place = await begin(context, 'plain')
    const printed = await createOwnEtc(place, 'printed').configure(['containerd', place.host, '--plain-http'])
    const [two, one] = filesPrinted(printed).filter(({ path }) => path.endsWith('config.toml'))
    for (const newer of [false, true]) {
      if (newer && missingClients(['containerd'], 'newer') !== false) continue
      const program = clientPath('containerd', newer) ?? ''
      const major = /(?: v?|:)(\d+)\.\d+\.\d+/.exec((await place.run(program, ['--version'])).stdout)?.[1]
      const file = join(place.folder, 'config.toml')
      writeFileSync(file, (major === '1' ? one : two)?.text ?? '')
      const dumped = (await place.run(program, ['-c', file, 'config', 'dump'])).stdout
      assert.match(dumped, /config_path = ["']\/etc\/containerd\/certs\.d["']/)
    }
  },
)

const noBuildkit = !ALL_CLIENTS
  ? NOT_ALL
  : missingClients(['buildkitd', 'buildctl', 'runc', 'busybox'], 'optional') || base

for (const kind of KINDS)
  test(`BuildKit, ${kind}`, { skip: noBuildkit, timeout: 120_000 }, async (context) => {
    const place = await begin(context, kind)
    const etc = createOwnEtc(place, 'with')
    await etc.configure(['buildkit', place.host, ...argumentsOf(place, kind), '--mirror', 'mirrored.example'])
    const build = await startBuildkit(context, place, etc.through)
    const folder = place.place('context')
    for (const from of [place.host, 'mirrored.example']) {
      writeFileSync(join(folder, 'Dockerfile'), `FROM ${from}/o/app:1\nCOPY Dockerfile /Dockerfile\n`)
      await build(folder, `${place.host}/o/built:1`)
    }
  })
