/** The files of deploy/kubernetes fit each other, the program, and a cluster that lets no pod do more than it must. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test from 'node:test'
import { type LoadedConfig, loadConfig } from '../../src/config/load.ts'
import { createHttpClient } from '../lib/http-client.ts'
import { missingClients } from '../clients/workplace.ts'
import { startServer } from '../lib/start-server.ts'
import { afterwards, temporaryFolder } from '../lib/temporary.ts'
import {
  BASE,
  buildKustomization,
  COMPONENTS,
  type ConfigMap,
  type Container,
  type Deployment,
  EXAMPLE,
  type Ingress,
  KUBERNETES,
  type NetworkPolicy,
  plainManifests,
  type PodSpec,
  type Probe,
  readKustomization,
  readResources,
  type Resource,
  type Service,
  theOnly,
  writeOverlay,
  yamlFiles,
} from './kubernetes-manifests.ts'
import { breaksRestricted } from './pod-security.ts'

const PAGE = readFileSync(new URL('../../docs/kubernetes.md', import.meta.url), 'utf8')
// Go's module proxy is not everywhere: without kustomize what can be read without it is looked at.
const noKustomize = missingClients(['kustomize'], 'optional')

const podOf = (resources: readonly Resource[]): PodSpec =>
  theOnly<Deployment>(resources, 'Deployment').spec.template.spec
function registryOf(pod: PodSpec): Container {
  const [container] = pod.containers
  assert.ok(container !== undefined && pod.containers.length === 1)
  return container
}
const probesOf = ({ startupProbe, livenessProbe, readinessProbe }: Container): Probe[] => [
  startupProbe,
  livenessProbe,
  readinessProbe,
]

test('every file can be read, and every file that a kustomization names is there', () => {
  const files = yamlFiles()
  assert.ok(files.size >= 15, `${files.size} files`)
  for (const [path, text] of files) {
    assert.ok(readResources(text).length > 0, path)
    if (!path.endsWith('kustomization.yaml')) continue
    const { kind, resources = [], components = [], patches = [] } = readKustomization(text)
    assert.ok(kind === 'Kustomization' || kind === 'Component', path)
    const named = [...resources, ...components, ...patches.map((one) => one.path)].filter((one) => one)
    for (const name of named)
      assert.ok(existsSync(join(KUBERNETES, dirname(path), name as string)), `${path}: ${name}`)
  }
  const { resources } = readKustomization(files.get('base/kustomization.yaml') ?? '')
  assert.equal(resources?.length, plainManifests().length)
})

test('there are no secrets in the repository', () => {
  for (const [path, text] of yamlFiles())
    for (const { kind } of readResources(text)) assert.notEqual(kind, 'Secret', path)
})

test('the base is what a pod of the cluster finds at basic-registry:5000', () => {
  checkTogether(plainManifests())
})

const COMBINATIONS: readonly (readonly string[])[] = [[], ...COMPONENTS.map((one) => [one]), COMPONENTS]

test('what kustomize makes fits together, whichever parts are taken', { skip: noKustomize }, (context) => {
  const folder = temporaryFolder(context, 'kustomize')
  for (const [at, components] of COMBINATIONS.entries()) {
    const overlay = writeOverlay(join(folder, String(at)), components)
    const resources = readResources(buildKustomization(overlay))
    checkTogether(resources)
    checkComponents(resources, components)
  }
  const example = readResources(buildKustomization(EXAMPLE))
  checkTogether(example)
  checkComponents(example, ['tls', 'users', 'metrics'])
  assert.match(registryOf(podOf(example)).image, /^registry\.example\.org\/berth:/)
  const claim = theOnly(example, 'PersistentVolumeClaim') as Resource & {
    spec: { resources: { requests: { storage: string } } }
  }
  assert.equal(claim.spec.resources.requests.storage, '100Gi')
})

test('secrets can be made of files by the kustomization', { skip: noKustomize }, (context) => {
  const folder = temporaryFolder(context, 'secrets')
  const overlay = join(folder, 'own')
  mkdirSync(overlay)
  for (const name of ['htpasswd', 'tls.crt', 'tls.key']) writeFileSync(join(overlay, name), name)
  const commented = readFileSync(join(EXAMPLE, 'kustomization.yaml'), 'utf8')
  const generators = commented.slice(commented.indexOf('# secretGenerator:')).replaceAll(/^# ?/gm, '')
  writeOverlay(overlay, ['tls', 'users'], generators)
  const resources = readResources(buildKustomization(overlay))
  const secrets = resources.filter(({ kind }) => kind === 'Secret').map(({ metadata }) => metadata.name)
  assert.deepEqual(secrets.sort(), secretsOf(podOf(resources)).sort())
})

const secretsOf = (pod: PodSpec): string[] =>
  pod.volumes.flatMap(({ secret }) => (secret === undefined ? [] : [secret.secretName]))

/** What must hold however it was put together. */
function checkTogether(resources: readonly Resource[]): void {
  const deployment = theOnly<Deployment>(resources, 'Deployment')
  const service = theOnly<Service>(resources, 'Service')
  const policy = theOnly<NetworkPolicy>(resources, 'NetworkPolicy')
  const { spec } = deployment
  const pod = spec.template.spec
  const container = registryOf(pod)
  const { labels } = spec.template.metadata
  for (const selector of [
    spec.selector.matchLabels,
    service.spec.selector,
    policy.spec.podSelector.matchLabels,
  ])
    assert.deepEqual({ ...labels, ...selector }, labels)
  assert.deepEqual([spec.replicas, spec.strategy.type], [1, 'Recreate'])
  assert.equal(service.metadata.name, 'basic-registry')
  assert.deepEqual(
    service.spec.ports.map(({ port, targetPort }) => [port, targetPort]),
    [[5000, 'registry']],
  )
  const ports = new Map(container.ports.map(({ name, containerPort }) => [name, containerPort]))
  assert.equal(ports.get('registry'), 5000)
  for (const { httpGet } of probesOf(container)) assert.equal(httpGet.port, 'registry')
  const admitted = policy.spec.ingress.flatMap((one) => one.ports.map(({ port }) => port))
  assert.deepEqual(admitted.sort(), [...ports.keys()].sort())
  assert.deepEqual(policy.spec.policyTypes, ['Ingress', 'Egress'])
  assert.equal(policy.spec.egress, undefined)
  checkVolumes(pod, resources)
  checkConfiguration(container, resources)
  assert.deepEqual(breaksRestricted(pod), [])
  assert.equal(container.securityContext['readOnlyRootFilesystem'], true)
  assert.equal(pod['automountServiceAccountToken'], false)
}

/** Mounts and volumes are the same set; what they refer to is there, or documented as to be made. */
function checkVolumes(pod: PodSpec, resources: readonly Resource[]): void {
  const { volumeMounts } = registryOf(pod)
  const names = (list: readonly { name: string }[]): string[] => list.map(({ name }) => name).sort()
  assert.deepEqual(names(volumeMounts), names(pod.volumes))
  // By subPath a file never changes.
  assert.ok(volumeMounts.every(({ subPath }) => subPath === undefined))
  const known = new Set(resources.map(({ kind, metadata }) => `${kind} ${metadata.name}`))
  for (const { persistentVolumeClaim, configMap, secret } of pod.volumes) {
    if (persistentVolumeClaim)
      assert.ok(known.has(`PersistentVolumeClaim ${persistentVolumeClaim.claimName}`))
    if (configMap) assert.ok(known.has(`ConfigMap ${configMap.name}`))
    if (secret === undefined) continue
    assert.ok(PAGE.includes(secret.secretName), `docs/kubernetes.md does not tell of ${secret.secretName}`)
    assert.equal(secret.defaultMode, 0o440)
  }
}

/** The ConfigMap and the variables are a configuration that the program takes, without a word of complaint. */
function checkConfiguration(container: Container, resources: readonly Resource[]): void {
  const [command, path] = container.args
  assert.deepEqual([command, path], ['serve', '/etc/distribution/config.yml'])
  assert.equal(container.env.find(({ name }) => name === 'REGISTRY_CONFIGURATION_PATH')?.value, path)
  const { config, warnings, notes } = configurationOf(container, resources)
  assert.deepEqual([...warnings, ...notes], [])
  const { certificate, key } = config.http.tls
  const paths = [config.storage.filesystem?.rootdirectory, certificate, key, config.auth?.htpasswd?.path]
  const folders = container.volumeMounts.map(({ mountPath }) => mountPath)
  for (const named of paths.filter((one) => one !== undefined && one !== ''))
    assert.ok(
      folders.some((folder) => named === folder || named?.startsWith(`${folder}/`)),
      `${named} is in no mount`,
    )
}

function configurationOf(container: Container, resources: readonly Resource[]): LoadedConfig {
  const text = theOnly<ConfigMap>(resources, 'ConfigMap').data['config.yml'] ?? ''
  return loadConfig({
    path: container.args[1],
    env: Object.fromEntries(container.env.map(({ name, value }) => [name, value])),
    readFile: () => text,
  })
}

/** What a part is there for. */
function checkComponents(resources: readonly Resource[], components: readonly string[]): void {
  const pod = podOf(resources)
  const container = registryOf(pod)
  const has = (name: string): boolean => components.includes(name)
  for (const { httpGet } of probesOf(container)) assert.equal(httpGet.scheme === 'HTTPS', has('tls'))
  const expected = [
    ...(has('tls') ? ['basic-registry-tls'] : []),
    ...(has('users') ? ['basic-registry-users'] : []),
  ]
  assert.deepEqual(secretsOf(pod).sort(), expected)
  assert.equal(container.ports.length, has('metrics') ? 2 : 1)
  const ingresses = resources.filter(({ kind }) => kind === 'Ingress')
  assert.equal(ingresses.length, has('ingress') ? 1 : 0)
  if (has('ingress')) checkIngress(theOnly<Ingress>(resources, 'Ingress'))
}

function checkIngress({ spec }: Ingress): void {
  const [rule] = spec.rules
  assert.deepEqual(spec.tls[0]?.hosts, [rule?.host])
  assert.ok(PAGE.includes(spec.tls[0]?.secretName ?? ''))
  assert.deepEqual(rule?.http.paths[0]?.backend.service, {
    name: 'basic-registry',
    port: { name: 'registry' },
  })
}

test('the probes ask what the program answers', async (context) => {
  const server = await startServer({ root: temporaryFolder(context, 'probes') })
  afterwards(context, () => server.stop())
  const http = createHttpClient(server.url)
  afterwards(context, () => http.close())
  const paths = new Set(probesOf(registryOf(podOf(plainManifests()))).map(({ httpGet }) => httpGet.path))
  assert.equal(paths.size, 2)
  for (const path of paths) assert.equal((await http.ask(path)).status, 200, path)
})

test('the pod has time to end', () => {
  const resources = plainManifests()
  const pod = podOf(resources)
  const { config } = configurationOf(registryOf(pod), resources)
  assert.ok(config.http.draintimeout > 0)
  assert.ok(pod.terminationGracePeriodSeconds * 1000 >= config.http.draintimeout + 15_000)
})

test('a backup is restored by a pod with the rights of the registry', () => {
  const text = readFileSync(join(KUBERNETES, 'restore', 'pod.yaml'), 'utf8')
  const { spec } = theOnly<Resource & { spec: PodSpec }>(readResources(text), 'Pod')
  const registry = podOf(plainManifests())
  assert.deepEqual(breaksRestricted(spec), [])
  assert.deepEqual(spec.securityContext, registry.securityContext)
  const [container] = spec.containers
  assert.deepEqual(container?.securityContext, registryOf(registry).securityContext)
  assert.deepEqual(container?.resources, registryOf(registry).resources)
  assert.equal(container?.image, registryOf(registry).image)
  const volumes = registry.volumes.filter(({ name }) => name !== 'config')
  assert.deepEqual(spec.volumes, volumes)
})

type Change = [what: string, change: (pod: PodSpec, container: Container) => void, expected: RegExp]
const FORBIDDEN: readonly Change[] = [
  ['the host network', (pod) => void (pod['hostNetwork'] = true), /^hostNetwork$/],
  [
    'a folder of the node',
    (pod) => void pod.volumes.push({ name: 'x', hostPath: {} }),
    /^volume x: hostPath$/,
  ],
  ['root', (_, one) => void (one.securityContext['runAsUser'] = 0), /^runAsUser 0$/],
  ['no word of root', (pod) => void delete pod.securityContext['runAsNonRoot'], /runAsNonRoot$/],
  ['no seccomp', (pod) => void delete pod.securityContext['seccompProfile'], /seccompProfile$/],
  ['privileged', (_, one) => void (one.securityContext['privileged'] = true), /: privileged$/],
  ['escalation', (_, one) => void delete one.securityContext['allowPrivilegeEscalation'], /Escalation$/],
  ['capabilities', (_, one) => void delete one.securityContext['capabilities'], /not dropped$/],
  [
    'one more capability',
    (_, one) => void (one.securityContext['capabilities'] = { drop: ['ALL'], add: ['SYS_TIME'] }),
    /capabilities added$/,
  ],
  [
    'a port of the node',
    (_, one) => void one.ports.push({ name: 'x', containerPort: 1, hostPort: 1 }),
    /hostPort$/,
  ],
  ['/proc', (_, one) => void (one.securityContext['procMount'] = 'Unmasked'), /^procMount$/],
]

test('the table of the Pod Security Standard finds what it forbids', () => {
  for (const [what, change, expected] of FORBIDDEN) {
    const pod = podOf(plainManifests())
    assert.deepEqual(breaksRestricted(pod), [], what)
    change(pod, registryOf(pod))
    const [said, ...more] = breaksRestricted(pod)
    assert.deepEqual(more, [], what)
    assert.match(said ?? '', expected, what)
  }
})

test('the base is the folder that the page applies', () => {
  assert.ok(existsSync(join(BASE, 'kustomization.yaml')))
  assert.match(PAGE, /kubectl apply -n default -k deploy\/kubernetes\/base/)
})
