/** `berth client-config docker`, on a machine of its own, where the registry has another address than this machine. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { createCertificates, withoutOpenssl } from '../../src/serving/certificates.fixture.ts'
import { createLayout, fileLayer } from '../clients/layout.ts'
import { ALL_CLIENTS, missingClients, needsRoot, NOT_ALL } from '../clients/workplace.ts'
import { cannotMount, missingPrograms } from '../lib/prerequisite.ts'
import { afterwards } from '../lib/temporary.ts'
import { type DockerHost, HOST_PROGRAMS, startDockerHost } from './docker-host.ts'
import { MAIN } from './push-place.ts'

const skip =
  needsRoot() ||
  cannotMount() ||
  missingPrograms('dockerd', 'docker', ...HOST_PROGRAMS) ||
  ((await withoutOpenssl()) ?? false)
const noNewer = !ALL_CLIENTS ? NOT_ALL : missingClients(['dockerd', 'docker'], 'newer') || skip

const HOST = 'registry.example:5000'
const BERTH = `${process.execPath} ${MAIN}`

async function begin(context: TestContext, newer: boolean, isTls: boolean) {
  const host = await startDockerHost(context, { newer, containerdStore: newer })
  const files = await createCertificates()
  afterwards(context, () => files.remove())
  const authority = await files.authority('own')
  const tls = await files.issue('server', authority, { subject: 'registry', names: 'DNS:registry.example' })
  const layout = createLayout(join(host.data, 'layout'))
  layout.tag(layout.addImage({ layers: [fileLayer('hello', 'hello')] }), '1')
  const config = {
    version: 0.1,
    storage: { filesystem: { rootdirectory: '/data/registry' } },
    http: { addr: ':5000', ...(isTls && { tls }) },
  }
  writeFileSync(join(host.data, 'config.yml'), JSON.stringify(config))
  // An address that is nobody's loopback, in a network of its own.
  await host.type('ip address add 192.0.2.1/32 dev lo && echo 192.0.2.1 registry.example >>/etc/hosts')
  // Go keeps what it has read of that file for some seconds.
  await host.restartEngine()
  await host.type(`${BERTH} serve config.yml >log 2>&1 </dev/null &`)
  const how = isTls ? `--ca ${authority.certificate}` : '--plain-http'
  await host.until(`${BERTH} push -q layout ${HOST}/o/app:1 ${how} || true`, /@sha256:/)
  return { host, how, authority: authority.certificate }
}

for (const newer of [false, true])
  for (const isTls of [false, true])
    test(
      `docker${newer ? ', a newer one' : ''}, ${isTls ? 'a certificate of its own authority' : 'without TLS'}`,
      { skip: newer ? noNewer : skip, timeout: 240_000 },
      async (context) => {
        const { host, how, authority } = await begin(context, newer, isTls)
        const refused = await host.type(`docker pull ${HOST}/o/app:1`, { mayFail: true })
        assert.notEqual(refused.code, 0, 'it works without any configuration')
        assert.match(refused.stderr, isTls ? /x509: certificate/ : /HTTP response to HTTPS client/)
        await host.type(`${BERTH} client-config docker ${HOST} ${how} --mirror docker.io --write /data/files`)
        // This engine's daemon.json has keys already: those of the file are added, as its note says.
        const own = '/etc/docker/daemon.json'
        const merge = `const r = (p) => JSON.parse(fs.readFileSync(p)); fs.writeFileSync('${own}', JSON.stringify({ ...r('${own}'), ...r('/data/files${own}') }))`
        await host.type(`${process.execPath} -e "${merge}" && rm /data/files${own} && cp -r /data/files/. /`)
        await host.restartEngine()
        await host.type(`docker pull ${HOST}/o/app:1 && docker tag ${HOST}/o/app:1 ${HOST}/o/pushed:1`)
        await host.type(`docker push ${HOST}/o/pushed:1`)
        // Not with the newer store: what is printed says so.
        if (newer && isTls) await trustBySystem(host, authority)
        // In place of Docker Hub, which is not reached from here.
        await host.type('docker pull o/app:1')
      },
    )

async function trustBySystem(host: DockerHost, authority: string): Promise<void> {
  const refused = await host.type('docker pull o/app:1', { mayFail: true })
  assert.match(refused.stderr, /x509: certificate signed by unknown authority/)
  await host.type(`cat ${authority} >>/etc/ssl/certs/ca-certificates.crt`)
  await host.restartEngine()
}
