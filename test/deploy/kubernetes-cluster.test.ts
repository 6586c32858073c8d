/** A real cluster, in which the page's commands are typed: from the first apply to a restored volume. */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { busyboxLayer, createLayout } from '../clients/layout.ts'
import type { Entry } from '../clients/tar.ts'
import { clientPath, missingClients, needsRoot } from '../clients/workplace.ts'
import { builtImage, cannotBuildImage } from '../lib/image.ts'
import { type Cluster, noCluster, startCluster } from './cluster.ts'
import { makeCertificate } from './compose-forms.ts'
import { writeOverlay } from './kubernetes-manifests.ts'

const HOST = 'basic-registry.default.svc.cluster.local'
const PAGE = readFileSync(new URL('../../docs/kubernetes.md', import.meta.url), 'utf8')
const REGISTRY = 'deployment/basic-registry'
const ROLLED_OUT = 'kubectl rollout status -n default deployment/basic-registry --timeout=5m'
// admin, by `htpasswd -nbBC 5 admin password-of-admin`
const HTPASSWD = 'admin:$2y$05$UxS3VXEV4DiPh4KPTiA7muJ/.nQquBJOLHVQDraoT86QwDiuvJGhS\n'

const skip =
  noCluster() ||
  needsRoot() ||
  missingClients(['containerd', 'runc', 'catatonit', 'skopeo', 'openssl', 'busybox', 'docker-init']) ||
  cannotBuildImage()

/** Types a line that stands in the page. */
function createReader({ type }: Cluster): Cluster['type'] {
  return (line, options) => {
    assert.ok(PAGE.includes(line), `not in docs/kubernetes.md: ${line}`)
    return type(line, options)
  }
}

/** A disk of the node, whose top folder belongs to root and has what a new file system has. */
async function addDisk({ type, folder }: Cluster, name: string): Promise<void> {
  mkdirSync(join(folder, name, 'lost+found'), { recursive: true, mode: 0o700 })
  const affinity = { key: 'kubernetes.io/hostname', operator: 'In', values: ['node'] }
  const volume = {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name },
    spec: {
      capacity: { storage: '20Gi' },
      accessModes: ['ReadWriteOnce'],
      local: { path: join(folder, name) },
      nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [affinity] }] } },
    },
  }
  await type('kubectl apply -f -', { input: JSON.stringify(volume) })
}

/** Images of the node: the registry, what every pod of the kubelet begins with, and one to push. */
async function loadImages(cluster: Cluster): Promise<{ app: string }> {
  const layout = createLayout(join(cluster.folder, 'images'))
  const pause: Entry = {
    kind: 'file',
    path: 'pause',
    mode: 0o755,
    bytes: readFileSync(clientPath('catatonit') ?? ''),
  }
  layout.tag(layout.addImage({ layers: [[pause]], command: ['/pause', '-P'] }), 'pause')
  const command = ['/bin/sh', '-c', 'echo hello from a pod; exec /bin/busybox sleep 600']
  layout.tag(layout.addImage({ layers: [busyboxLayer(clientPath('busybox') ?? '')], command }), 'app')
  const archive = join(cluster.folder, 'pause.tar')
  await cluster.type(`skopeo copy -q oci:${layout.folder}:pause docker-archive:${archive}:localhost/pause:1`)
  await cluster.load(archive)
  await cluster.load((await builtImage()).archive)
  return { app: `oci:${layout.folder}:app` }
}

const APP = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'app' },
  spec: {
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: 0,
    securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
    containers: [
      {
        name: 'app',
        image: `${HOST}:5000/team/app:1`,
        imagePullPolicy: 'Always',
        securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
      },
    ],
  },
}

/** A pod of an image of the registry: its node pulls it. */
async function runApp({ type, until }: Cluster, more: object = {}): Promise<void> {
  await type('kubectl apply -f -', { input: JSON.stringify({ ...APP, spec: { ...APP.spec, ...more } }) })
  await until('kubectl logs app', /hello from a pod/, 90)
  await type('kubectl delete pod app')
}

/** What containerd reads about a registry, on the node: what `berth client-config` writes. */
async function tellNode({ type }: Cluster, how: string): Promise<void> {
  await type('rm -rf /etc/containerd')
  await type(`${process.execPath} berth.js client-config containerd ${HOST}:5000 ${how} --write /`)
}

test('a cluster, as the page says', { skip, timeout: 600_000 }, async (context) => {
  const cluster = await startCluster(context)
  const { type, until, folder } = cluster
  const read = createReader(cluster)
  const { app } = await loadImages(cluster)
  await addDisk(cluster, 'disk')
  await type('kubectl label namespace default pod-security.kubernetes.io/enforce=restricted')
  // Their variables would stand in the pod's environment.
  for (const name of ['registry', 'registry-auth'])
    await type(`kubectl create service clusterip ${name} --tcp=5000`)

  let isWhole = true
  // Each goes on where the one before it ended.
  const step = async (name: string, action: () => Promise<void>): Promise<void> => {
    if (!isWhole) return
    isWhole = false
    await context.test(name, async () => {
      await action()
      isWhole = true
    })
  }

  await step('the first minutes', async () => {
    await read('kubectl apply -n default -k deploy/kubernetes/base')
    await read(ROLLED_OUT)
    assert.match(await read('kubectl logs -n default deployment/basic-registry'), /listening on http:/)
    const address = await read(
      "kubectl get service -n default basic-registry -o 'jsonpath={.spec.clusterIP}'",
    )
    await type(`echo '${address} ${HOST}' >>/etc/hosts`)
    await tellNode(cluster, '--plain-http')
    // The node learns the Service's address a moment after the pod is ready.
    await until(`curl -s http://${HOST}:5000/v2/`, /{}/, 30)
    await type(`skopeo copy -q --dest-tls-verify=false ${app} docker://${HOST}:5000/team/app:1`)
    await runApp(cluster)
  })

  await step('variables of Services change nothing', async () => {
    const set = (is: boolean): string =>
      `kubectl patch ${REGISTRY} -p '{"spec":{"template":{"spec":{"enableServiceLinks":${is}}}}}'`
    await type(set(true))
    await type(ROLLED_OUT)
    assert.match(await type(`kubectl logs ${REGISTRY}`), /set by Kubernetes for a Service called registry/)
    await runApp(cluster)
    await type(set(false))
    await type(ROLLED_OUT)
  })

  await step('a backup, and a restore into an empty volume', async () => {
    await read('kubectl exec -n default deployment/basic-registry -- berth check')
    const archive = join(folder, 'registry.tar')
    await type(`kubectl exec -n default ${REGISTRY} -- berth backup - >${archive}`)
    await addDisk(cluster, 'disk2')
    await read('kubectl scale -n default deployment/basic-registry --replicas=0')
    await read('kubectl delete -n default pvc basic-registry-data')
    await read('kubectl apply -n default -f deploy/kubernetes/base/manifests/persistent-volume-claim.yaml')
    await read('kubectl apply -n default -f deploy/kubernetes/restore/pod.yaml')
    await read('kubectl wait -n default --for=condition=Ready pod/restore')
    await type(`kubectl attach -n default -i restore <${archive}`)
    await until('kubectl get pod restore', /Completed/, 60)
    await read('kubectl delete -n default pod restore')
    await read('kubectl scale -n default deployment/basic-registry --replicas=1')
    await type(ROLLED_OUT)
    await runApp(cluster)
  })

  await step('TLS, users and a pull secret; changes without a restart', async () => {
    const secret = join(folder, 'secret')
    const { certificate } = makeCertificate(secret, HOST)
    writeFileSync(join(secret, 'htpasswd'), HTPASSWD)
    await type(
      `kubectl create secret tls -n default basic-registry-tls --cert=${secret}/tls.crt --key=${secret}/tls.key`,
    )
    await type(`kubectl create secret generic -n default basic-registry-users --from-file=${secret}/htpasswd`)
    await type(
      `kubectl apply -n default -k ${writeOverlay(join(folder, 'own'), ['tls', 'users', 'metrics'])}`,
    )
    await type(ROLLED_OUT)
    await tellNode(cluster, `--ca ${certificate}`)
    const robot = `kubectl exec -n default ${REGISTRY} -- berth robot add production --may 'team/**:pull' 2>/dev/null`
    const login = `--docker-username=production --docker-password="$(${robot})" --docker-server=${HOST}:5000`
    await type(`kubectl create secret docker-registry berth ${login}`)
    await runApp(cluster, { imagePullSecrets: [{ name: 'berth' }] })
    await type('kubectl apply -f -', { input: JSON.stringify(APP) })
    await until('kubectl get pod app', /ErrImagePull|ImagePullBackOff/, 60)
    await type('kubectl delete pod app')

    const [pod] = (await type('kubectl get pods -o name')).split('\n')
    const rules = 'kubectl get configmap basic-registry-config -o json'
    await type(`${rules} | sed 's#public/#team/#g' | kubectl apply -f - 2>/dev/null`)
    makeCertificate(secret, HOST, 'renewed')
    const files = `--cert=${secret}/tls.crt --key=${secret}/tls.key --dry-run=client -o yaml`
    await type(`kubectl create secret tls basic-registry-tls ${files} | kubectl apply -f - 2>/dev/null`)
    await until(`kubectl logs ${REGISTRY}`, /access is as it is now/, 120)
    await until(`kubectl logs ${REGISTRY}`, /TLS files changed and are in use.*DNS:renewed/, 120)
    // It is its own authority: nodes are told of that one.
    await tellNode(cluster, `--ca ${certificate}`)
    await runApp(cluster)
    assert.equal((await type('kubectl get pods -o name')).split('\n')[0], pod, 'the pod is another one')
  })
})
