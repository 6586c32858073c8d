/** The registry runs as the Deployment says: as nobody in particular, with nothing but its volume to write to. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import test, { type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { missingClients, needsRoot } from '../clients/workplace.ts'
import { basicHeader } from '../lib/basic-header.ts'
import { blobOf, imageOf, type Manifest } from '../lib/content.ts'
import { createHttpClient, type HttpClientOptions } from '../lib/http-client.ts'
import { cannotBuildImage } from '../lib/image.ts'
import { createRegistryClient, expectStatus, type RegistryClient } from '../lib/registry-client.ts'
import { afterwards, temporaryFolder } from '../lib/temporary.ts'
import { makeCertificate } from './compose-forms.ts'
import {
  buildKustomization,
  COMPONENTS,
  plainManifests,
  readResources,
  writeOverlay,
} from './kubernetes-manifests.ts'
import { type Pod, rightsOf, startPod } from './kubernetes-pod.ts'
import { serviceLinks } from './service-links.ts'

const skip = missingClients(['podman', 'runc', 'catatonit', 'openssl']) || needsRoot() || cannotBuildImage()
const noKustomize = missingClients(['kustomize'], 'optional')

/** As the kubelet does: each probe until it passes, at most half a minute. */
async function untilReady(pod: Pod, options: HttpClientOptions = {}): Promise<void> {
  const http = createHttpClient(pod.url, options)
  const passes = async (path: string): Promise<boolean> =>
    http.ask(path, { timeout: 5000 }).then(
      ({ status }) => status === 200,
      () => false,
    )
  try {
    for (const { httpGet } of pod.probes) {
      const began = Date.now()
      while (!(await passes(httpGet.path))) {
        if (Date.now() - began > 30_000) throw new Error(`${httpGet.path} does not pass:\n${await pod.log()}`)
        await sleep(50)
      }
    }
  } finally {
    http.close()
  }
}

function clientOf(context: TestContext, pod: Pod, options: HttpClientOptions = {}): RegistryClient {
  const client = createRegistryClient(pod.url, options)
  afterwards(context, () => client.close())
  return client
}

async function push(client: RegistryClient, repository: string): Promise<Manifest> {
  const layer = blobOf(repository, 300_000)
  const image = imageOf(layer, [layer])
  expectStatus(await client.pushBlob(repository, layer, 'stream'), 201)
  expectStatus(await client.putManifest(repository, '1', image), 201)
  return image
}

test(
  'a pod serves, ends in time, and has everything after a restart',
  { skip, timeout: 180_000 },
  async (context) => {
    const env = serviceLinks({ name: 'registry', address: '10.0.0.7', ports: [{ name: 'http', port: 5000 }] })
    const pod = await startPod(context, { resources: plainManifests(), env })
    await untilReady(pod)
    const pid = await pod.pid()
    const { Uid, Gid, Groups, CapEff, CapBnd, NoNewPrivs, Seccomp } = rightsOf(pid)
    assert.deepEqual([Uid, Gid], ['65532 65532 65532 65532', '65532 65532 65532 65532'])
    assert.match(Groups ?? '', /^65532\b/)
    assert.deepEqual([Number(CapEff), Number(CapBnd), NoNewPrivs, Seccomp], [0, 0, '1', '2'])
    assert.match(readFileSync(`/proc/${pid}/mounts`, 'utf8'), /^\S+ \/ \S+ ro,/m)
    const before = clientOf(context, pod)
    const image = await push(before, 'team/app')
    assert.deepEqual((await before.getManifest('team/app', '1')).body, image.bytes)
    const checked = await pod.exec('berth', 'check')
    assert.equal(checked.code, 0, checked.stdout + checked.stderr)
    const { code, took } = await pod.stop()
    assert.equal(code, 0, await pod.log())
    assert.ok(took < 20_000, `${took} ms`)
    await pod.start()
    await untilReady(pod)
    const after = clientOf(context, pod)
    assert.deepEqual((await after.getManifest('team/app', '1')).body, image.bytes)
    assert.equal((await after.getBlob('team/app', blobOf('team/app', 300_000).digest)).status, 200)
    assert.match(await pod.log(), /set by Kubernetes for a Service called registry/)
  },
)

// admin, by `htpasswd -nbBC 5 admin password-of-admin`
const HTPASSWD = 'admin:$2y$05$UxS3VXEV4DiPh4KPTiA7muJ/.nQquBJOLHVQDraoT86QwDiuvJGhS\n'

test(
  'a pod with TLS, users and metrics',
  { skip: skip || noKustomize, timeout: 180_000 },
  async (context) => {
    const folder = temporaryFolder(context, 'parts')
    const resources = readResources(buildKustomization(writeOverlay(`${folder}/all`, COMPONENTS)))
    const { certificate, key } = makeCertificate(`${folder}/tls`)
    const ca = readFileSync(certificate, 'utf8')
    const secrets = {
      'basic-registry-tls': { 'tls.crt': ca, 'tls.key': readFileSync(key, 'utf8') },
      'basic-registry-users': { htpasswd: HTPASSWD },
    }
    const pod = await startPod(context, { resources, secrets })
    assert.match(pod.url, /^https:/)
    await untilReady(pod, { ca })
    const nobody = clientOf(context, pod, { ca })
    assert.equal((await nobody.startUpload('team/app')).status, 401)
    const admin = clientOf(context, pod, {
      ca,
      headers: { authorization: basicHeader('admin:password-of-admin') },
    })
    const image = await push(admin, 'public/app')
    assert.deepEqual((await nobody.getManifest('public/app', '1')).body, image.bytes)
    const robot = await pod.exec('berth', 'robot', 'add', 'nodes', '--may', '**:pull')
    assert.equal(robot.code, 0, robot.stderr)
    const headers = { authorization: basicHeader(`nodes:${robot.stdout.trim()}`) }
    const nodes = clientOf(context, pod, { ca, headers })
    assert.equal((await nodes.getManifest('public/app', '1')).status, 200)
    assert.equal((await nodes.startUpload('public/app')).status, 403)
    const metrics = createHttpClient(pod.debugUrl)
    afterwards(context, () => metrics.close())
    const answer = await metrics.ask('/metrics')
    assert.match(answer.body.toString(), /registry_http_requests_total/)
    assert.equal((await pod.stop()).code, 0)
  },
)
